//! What each command's `--help` says behind its options: examples, files, exit codes. A test runs every example's words
//! through the parser.

pub(super) const TOP: &str = "\
Examples:
  tidegate config example > gateway-az1.yaml        # a commented file to start from
  tidegate check -c gateway-az1.yaml --connect      # every mistake, then the cluster behind it
  tidegate run -c gateway-az1.yaml
  tidegate status

Files:
  the file of -c              one for each gateway; paths inside it start from its own folder
  what that file names        certificates, keys, secrets: read when it is loaded, 4 MiB each at most
  /etc/hostname               the gateway's name, where neither gateway.id nor HOSTNAME gives one
  ~/.aws/config, credentials  credentials for the bucket, as AWS's own tools find them

Environment:
  RUST_LOG              which log lines (RUST_LOG=info, RUST_LOG=tidegate_proxy=debug); default: info
  HOSTNAME              the gateway's name, where gateway.id gives none
  TIDEGATE_ADMIN_TOKEN  what `status` shows to an admin port that asks for a token
  AWS_*                 credentials and profile for the bucket; never in the file
  any other             read where the file says {env: NAME}

Exit codes:
  0  done
  1  the thing asked for failed; stderr says why
  2  wrong usage

Results go to stdout, logs to stderr.

See also:
  docs/operations.md     install, capacity, bounds, troubleshooting by symptom, runbooks
  docs/configuration.md  every key of the file; `tidegate config reference` prints the same
  docs/security.md       who could gain what, and what stops it
  docs/tiering.md        what happens to history";

pub(super) const RUN: &str = "\
Binds every port of the file, then serves until it is told to stop; a port that is taken, a certificate that can't be
read or any mistake in the file ends it at once. It starts even if no broker answers yet: /readyz says so, and clients
are served as soon as one does.

Files:
  the file of -c           read at start, and again at SIGHUP
  certificates and keys    served anew when they change on disk, without a signal; write beside them and rename
  store.dir, cache.disk    directories, made if missing

Signals:
  SIGTERM, SIGINT  drain: /readyz says 503, connections end between two answers over gateway.drain, what is left is cut,
                   exit code 0. A second one stops at once
  SIGHUP           reload zones, fleet, limits, gateway.drain and certificates; the log names what needs a restart. A file
                   with mistakes changes nothing

Admin port (gateway.admin, by default 127.0.0.1:9644):
  /healthz  200 while the process runs
  /readyz   200 while all endpoints are bound, the cluster's metadata is fresh, a broker answers and no drain has
            begun, else 503 with the reason
  /status   JSON; `tidegate status` prints it
  /metrics  Prometheus

Examples:
  tidegate run -c /etc/tidegate/tidegate.yaml
  tidegate run -c gateway-az1.yaml --log-format json

Exit codes:
  0  stopped when asked
  1  could not start; stderr says why
  2  wrong usage

See also:
  docs/operations.md, deploy/systemd, deploy/helm";

pub(super) const CHECK: &str = "\
Reads the file and the secrets and certificates it names, opens no port, resolves no name. All mistakes are shown at
once, each with its line and what to write instead. What is allowed but unwise is a warning. Certificates that have ended
are mistakes, too, and those that end within 14 days are warnings.

With --connect it also speaks to the cluster as the gateway would: each bootstrap server and each broker, racks against
zones, an endpoint for each broker id, the rights of the gateway's own principal with the command that grants what is
missing, ACLs that name hosts, and whether the bucket can be written, read and refuses to overwrite.

Examples:
  tidegate check -c gateway-az1.yaml
  tidegate check -c gateway-az1.yaml --connect
  tidegate check -c gateway-az1.yaml -o json

Exit codes:
  0  no error; there may be warnings
  1  errors, or the file can't be read
  2  wrong usage";

pub(super) const CONFIG: &str = "\
Examples:
  tidegate config example > gateway-az1.yaml
  tidegate config schema > tidegate.schema.json     # for editors
  tidegate config reference limits

Exit codes:
  0  printed
  1  no such section
  2  wrong usage";

pub(super) const STATUS: &str = "\
Tables, from top to bottom: brokers with zone and state (live, suspect: misses its pings, absent: has left), the other
gateways, clients by zone and the rule that said so, fetches by where they were served and why there, bytes by leg and
zones, what was refused or cut by reason, and the tier by topic: what is in it, how far behind it is, what troubles it.

Counts are since the gateway started. For rates and alarms use /metrics.

Examples:
  tidegate status
  tidegate status --admin http://gw-az2.internal:9644
  tidegate status -o json

Exit codes:
  0  printed
  1  no gateway answers there
  2  wrong usage";

pub(super) const TIER: &str = "\
These work on the bucket alone, which the file's section `store` names: no gateway has to run, and, but for `drop`, no
cluster either. What deletes says first what it would delete. Credentials are found as AWS's own tools find them.

Examples:
  tidegate tier ls -c gateway-az1.yaml
  tidegate tier show orders.eu -c gateway-az1.yaml
  tidegate tier verify -c gateway-az1.yaml
  tidegate tier gc -c gateway-az1.yaml              # says what it would delete
  tidegate tier gc --delete -c gateway-az1.yaml

Exit codes:
  0  done, and nothing wrong was found
  1  it failed, or `verify` found damage
  2  wrong usage";

/// Behind the commands of `tier` that only look.
pub(super) const TIER_LOOK: &str = "\
Changes nothing, neither in the bucket nor in the cluster.

Examples:
  tidegate tier ls -c gateway-az1.yaml
  tidegate tier ls -c gateway-az1.yaml -o json
  tidegate tier show orders.eu -c gateway-az1.yaml
  tidegate tier export orders.eu -c gateway-az1.yaml

Exit codes:
  0  printed
  1  no such topic in the bucket, or the store can't be read
  2  wrong usage";

pub(super) const TIER_VERIFY: &str = "\
Reads every byte, so it costs what reading the topic costs, in time and in requests. Changes nothing.

Examples:
  tidegate tier verify -c gateway-az1.yaml
  tidegate tier verify orders.eu -c gateway-az1.yaml -o json

Exit codes:
  0  everything is as it was written
  1  something is damaged or missing (topic, partition and offset are named), or the store can't be read
  2  wrong usage";

pub(super) const TIER_GC: &str = "\
Gateways do the same by themselves once an hour. What a manifest names is never touched, whoever runs this beside them.

Examples:
  tidegate tier gc -c gateway-az1.yaml
  tidegate tier gc --grace 48h --delete -c gateway-az1.yaml

Exit codes:
  0  listed, or deleted
  1  the store can't be read or written
  2  wrong usage";

pub(super) const TIER_RESTORE: &str = "\
Checks every batch on the way. Into a directory: put the files into the partition folders of a broker that is stopped;
it builds its indexes when it starts. Into a running cluster: a topic that isn't there yet is made, every offset that a
broker gives is held against the one that it had, and what can't be reproduced is refused before anything is written
(docs/decisions/0006). The bucket stays as it is.

Examples:
  tidegate tier restore orders.eu --to /var/tmp/restored -c gateway-az1.yaml
  tidegate tier restore orders.eu --to kafka://other-1:9092,other-2:9092 -c gateway-az1.yaml
  tidegate tier restore orders.eu --to other-cluster.yaml -c gateway-az1.yaml -o json

Exit codes:
  0  restored
  1  no such topic, damage, or the destination can't be written or is not empty
  2  wrong usage";

pub(super) const TIER_PAUSE: &str = "\
A mark in the bucket that every gateway sees. Brokers keep what is not copied meanwhile: their own retention is the
limit (tidegate_tier_retention_headroom_seconds).

Examples:
  tidegate tier pause orders.eu -c gateway-az1.yaml
  tidegate tier resume orders.eu -c gateway-az1.yaml

Exit codes:
  0  done
  1  no such topic in the bucket, or the store can't be written
  2  wrong usage";

pub(super) const TIER_DROP: &str = "\
A topic that was deleted in the cluster stays in the bucket until this is said: a deletion is never inferred. The cluster
is asked first: if the topic still exists there, nothing is deleted.

Examples:
  tidegate tier drop orders.old -c gateway-az1.yaml
  tidegate tier drop orders.old --delete -c gateway-az1.yaml

Exit codes:
  0  listed, or deleted
  1  the topic still exists, isn't in the bucket, or the store can't be written
  2  wrong usage";

pub(super) const ZONES: &str = "\
Asks the rules of the file (`zones.clients`) what a running gateway would ask them. No gateway has to run.
A running gateway goes on to the next rule where a client itself (by its tag or rack) names a zone in which there is
neither a broker nor a gateway.

Examples:
  tidegate zones explain --ip 10.0.2.7 -c gateway-az1.yaml
  tidegate zones explain --client-id 'app,zone=use1-az2' --ip 10.0.2.7 -c gateway-az1.yaml
  tidegate zones explain --rack use1-az3 --ip 10.0.2.7 -c gateway-az1.yaml -o json

Exit codes:
  0  printed
  1  the file has mistakes, or no such listener
  2  wrong usage";
