import java.lang.reflect.Method;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;

/** Puts Kafka's Admin client through the script of ../README.md. */
final class Administer {
    private static final long VISIBLE_LIMIT_MS = 30_000;
    private static final long VISIBLE_PAUSE_MS = 100;
    private static final String RETENTION = "retention.ms";
    private static final String RETENTION_MS = "3600000";

    private final Admin admin;
    private final Output output;
    private final String topic;
    private final short replication;
    private final ConfigResource resource;

    private Administer(Admin admin, Options options, Output output) {
        this.admin = admin;
        this.output = output;
        topic = options.topic();
        replication = (short) options.number("replication", 1);
        resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    static void run(Options options, Output output) throws Exception {
        try (Admin admin = Admin.create(options.client(Map.of()))) {
            output.event("ready");
            new Administer(admin, options, output).script();
        }
    }

    private void script() {
        step("create_topic", () -> admin.createTopics(Set.of(new NewTopic(topic, 2, replication))).all().get());
        step("list_topics", () -> eventually(() -> listed() ? null : "the topic is not in the list"));
        step("describe_topic", () -> eventually(() -> described(2)));
        step("create_partitions", () -> {
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            return eventually(() -> described(3));
        });
        step("describe_configs", () -> eventually(() -> retention() == null ? "no " + RETENTION : null));
        step("alter_configs", () -> {
            AlterConfigOp set = new AlterConfigOp(new ConfigEntry(RETENTION, RETENTION_MS), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
            return eventually(() -> RETENTION_MS.equals(retention()) ? null : RETENTION + " is " + retention());
        });
        step("list_groups", () -> admin.listConsumerGroups().all().get());
        step("describe_cluster", () -> {
            int brokers = admin.describeCluster().nodes().get().size();
            return brokers >= 1 ? null : fail("no brokers");
        });
        step("delete_topic", () -> {
            admin.deleteTopics(Set.of(topic)).all().get();
            return eventually(() -> listed() ? "the topic is still in the list" : null);
        });
    }

    private void step(String op, Callable<?> action) {
        try {
            action.call();
            output.event("admin", "op", op, "ok", true, "message", "");
        } catch (Exception e) {
            Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
            output.event("admin", "op", op, "ok", false, "message", cause.toString());
        }
    }

    /** Waits until every broker may know what the controller decided: the check gives null, or what is still wrong. */
    private static Object eventually(Callable<String> check) throws Exception {
        long deadline = System.nanoTime() + VISIBLE_LIMIT_MS * 1_000_000;
        while (true) {
            String wrong;
            try {
                wrong = check.call();
            } catch (ExecutionException e) {
                wrong = e.getCause().toString();
            }
            if (wrong == null) {
                return null;
            }
            if (System.nanoTime() > deadline) {
                return fail(wrong);
            }
            Thread.sleep(VISIBLE_PAUSE_MS);
        }
    }

    private static Object fail(String why) {
        throw new IllegalStateException(why);
    }

    private boolean listed() throws Exception {
        return admin.listTopics().names().get().contains(topic);
    }

    private String described(int partitions) throws Exception {
        TopicDescription described = description().get();
        boolean right = described.partitions().size() == partitions;
        for (TopicPartitionInfo partition : described.partitions()) {
            right &= partition.leader() != null && partition.replicas().size() == replication;
        }
        return right ? null : "not " + partitions + " partitions with leaders and " + replication + " replicas: " + described;
    }

    /** The one method whose old name is gone from the newest library and whose new name the old one doesn't have. */
    @SuppressWarnings("unchecked")
    private KafkaFuture<TopicDescription> description() throws Exception {
        DescribeTopicsResult result = admin.describeTopics(Set.of(topic));
        Method values;
        try {
            values = DescribeTopicsResult.class.getMethod("topicNameValues");
        } catch (NoSuchMethodException e) {
            values = DescribeTopicsResult.class.getMethod("values");
        }
        return ((Map<String, KafkaFuture<TopicDescription>>) values.invoke(result)).get(topic);
    }

    private String retention() throws Exception {
        ConfigEntry entry = admin.describeConfigs(Set.of(resource)).all().get().get(resource).get(RETENTION);
        return entry == null ? null : entry.value();
    }
}
