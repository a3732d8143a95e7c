package tidegate;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.token.delegation.DelegationToken;

/** Kafka's Admin client; one per set of properties, kept open. */
final class Admins {
    private final Map<Properties, Admin> open = new ConcurrentHashMap<>();

    Object run(String op, JsonNode request) throws Exception {
        Admin admin = open.computeIfAbsent(Props.of(request), Admin::create);
        switch (op) {
            case "create_topic": return createTopic(admin, request);
            case "delete_topic": return admin.deleteTopics(Set.of(topic(request))).all().get();
            case "describe_topic": return describeTopic(admin, topic(request));
            case "list_topics": return admin.listTopics().names().get();
            case "create_partitions": return createPartitions(admin, request);
            case "describe_cluster": return describeCluster(admin);
            case "describe_quorum": return describeQuorum(admin);
            case "alter_config": return alterConfig(admin, request);
            case "describe_config": return describeConfig(admin, request);
            case "elect_leader": return elect(admin, request);
            case "reassign": return reassign(admin, request);
            case "reassigning": return !admin.listPartitionReassignments().reassignments().get().isEmpty();
            case "offsets": return offsets(admin, request);
            case "delete_records": return deleteRecords(admin, request);
            case "create_acl": return admin.createAcls(Set.of(acl(request))).all().get();
            case "delete_acl": return admin.deleteAcls(Set.of(acl(request).toFilter())).all().get().size();
            case "upsert_scram": return upsertScram(admin, request);
            case "delete_scram": return deleteScram(admin, request);
            case "create_token": return createToken(admin);
            case "group_offsets": return groupOffsets(admin, request);
            case "describe_group": return describeGroup(admin, request);
            case "delete_group": return admin.deleteConsumerGroups(Set.of(group(request))).all().get();
            case "close": return close(Props.of(request));
            default: throw new IllegalArgumentException("unknown admin operation: " + op);
        }
    }

    private Object close(Properties props) {
        open.remove(props).close();
        return null;
    }

    private static String topic(JsonNode request) {
        return request.get("topic").asText();
    }

    private static String group(JsonNode request) {
        return request.get("group").asText();
    }

    private static TopicPartition partition(JsonNode request) {
        return new TopicPartition(topic(request), request.get("partition").asInt());
    }

    private static Object createTopic(Admin admin, JsonNode request) throws Exception {
        NewTopic topic;
        JsonNode replicas = request.get("assignment");
        if (replicas != null && !replicas.isNull()) {
            Map<Integer, List<Integer>> assignment = new HashMap<>();
            for (int p = 0; p < replicas.size(); p++) {
                assignment.put(p, Props.ints(replicas.get(p)));
            }
            topic = new NewTopic(topic(request), assignment);
        } else {
            int partitions = (int) Props.number(request, "partitions", 1);
            short factor = (short) Props.number(request, "replication", -1);
            topic = new NewTopic(topic(request), Optional.of(partitions),
                    factor < 0 ? Optional.empty() : Optional.of(factor));
        }
        Map<String, String> configs = new HashMap<>();
        if (request.get("configs") != null) {
            request.get("configs").properties().forEach(e -> configs.put(e.getKey(), e.getValue().asText()));
        }
        return admin.createTopics(Set.of(topic.configs(configs))).all().get();
    }

    private static Object createPartitions(Admin admin, JsonNode request) throws Exception {
        NewPartitions total = NewPartitions.increaseTo(request.get("partitions").asInt());
        return admin.createPartitions(Map.of(topic(request), total)).all().get();
    }

    private static Object describeTopic(Admin admin, String name) throws Exception {
        TopicDescription topic = admin.describeTopics(Set.of(name)).allTopicNames().get().get(name);
        List<Object> partitions = new ArrayList<>();
        for (TopicPartitionInfo info : topic.partitions()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("partition", info.partition());
            one.put("leader", info.leader() == null ? -1 : info.leader().id());
            one.put("replicas", ids(info.replicas()));
            one.put("isr", ids(info.isr()));
            partitions.add(one);
        }
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("name", name);
        out.put("id", topic.topicId().toString());
        out.put("partitions", partitions);
        return out;
    }

    private static List<Integer> ids(Collection<Node> nodes) {
        List<Integer> ids = new ArrayList<>();
        nodes.forEach(n -> ids.add(n.id()));
        return ids;
    }

    private static Object describeCluster(Admin admin) throws Exception {
        DescribeClusterResult result = admin.describeCluster();
        Map<String, Object> nodes = new TreeMap<>();
        for (Node node : result.nodes().get()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("host", node.host());
            one.put("port", node.port());
            one.put("rack", node.rack());
            nodes.put(node.idString(), one);
        }
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("id", result.clusterId().get());
        out.put("controller", result.controller().get().id());
        out.put("brokers", nodes);
        return out;
    }

    private static Object describeQuorum(Admin admin) throws Exception {
        QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
        List<Integer> voters = new ArrayList<>();
        quorum.voters().forEach(v -> voters.add(v.replicaId()));
        return Map.of("leader", quorum.leaderId(), "voters", voters);
    }

    private static ConfigResource resource(JsonNode request) {
        ConfigResource.Type type = ConfigResource.Type.valueOf(Props.text(request, "type", "TOPIC"));
        return new ConfigResource(type, request.get("name").asText());
    }

    private static Object alterConfig(Admin admin, JsonNode request) throws Exception {
        List<AlterConfigOp> ops = new ArrayList<>();
        request.get("configs").properties().forEach(e -> {
            AlterConfigOp.OpType type =
                    e.getValue().isNull() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
            ops.add(new AlterConfigOp(new ConfigEntry(e.getKey(), e.getValue().asText()), type));
        });
        return admin.incrementalAlterConfigs(Map.of(resource(request), ops)).all().get();
    }

    private static Object describeConfig(Admin admin, JsonNode request) throws Exception {
        Map<String, String> values = new TreeMap<>();
        admin.describeConfigs(Set.of(resource(request))).all().get().values()
                .forEach(config -> config.entries().forEach(e -> values.put(e.name(), e.value())));
        return values;
    }

    private static Object elect(Admin admin, JsonNode request) throws Exception {
        ElectionType type = ElectionType.valueOf(Props.text(request, "election", "PREFERRED"));
        return admin.electLeaders(type, Set.of(partition(request))).all().get();
    }

    private static Object reassign(Admin admin, JsonNode request) throws Exception {
        NewPartitionReassignment target = new NewPartitionReassignment(Props.ints(request.get("replicas")));
        return admin.alterPartitionReassignments(Map.of(partition(request), Optional.of(target))).all().get();
    }

    private static Object offsets(Admin admin, JsonNode request) throws Exception {
        TopicPartition partition = partition(request);
        long start = admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition)
                .get().offset();
        long end = admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition)
                .get().offset();
        return List.of(start, end);
    }

    private static Object deleteRecords(Admin admin, JsonNode request) throws Exception {
        TopicPartition partition = partition(request);
        RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
        return admin.deleteRecords(Map.of(partition, before)).lowWatermarks().get(partition).get().lowWatermark();
    }

    private static AclBinding acl(JsonNode request) {
        ResourcePattern pattern = new ResourcePattern(
                ResourceType.valueOf(request.get("resource").asText()),
                request.get("name").asText(),
                PatternType.valueOf(Props.text(request, "pattern", "LITERAL")));
        return new AclBinding(pattern, new AccessControlEntry(
                request.get("principal").asText(), Props.text(request, "host", "*"),
                AclOperation.valueOf(request.get("operation").asText()),
                AclPermissionType.valueOf(Props.text(request, "permission", "ALLOW"))));
    }

    private static Object upsertScram(Admin admin, JsonNode request) throws Exception {
        ScramCredentialInfo info = new ScramCredentialInfo(mechanism(request), 4096);
        String user = request.get("user").asText();
        String password = request.get("password").asText();
        return admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, password)))
                .all().get();
    }

    private static Object deleteScram(Admin admin, JsonNode request) throws Exception {
        String user = request.get("user").asText();
        return admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, mechanism(request))))
                .all().get();
    }

    private static Object createToken(Admin admin) throws Exception {
        DelegationToken token = admin.createDelegationToken().delegationToken().get();
        return Map.of("id", token.tokenInfo().tokenId(), "hmac", token.hmacAsBase64String());
    }

    private static ScramMechanism mechanism(JsonNode request) {
        return ScramMechanism.fromMechanismName(request.get("mechanism").asText());
    }

    private static Object groupOffsets(Admin admin, JsonNode request) throws Exception {
        Map<String, Long> out = new TreeMap<>();
        admin.listConsumerGroupOffsets(group(request)).partitionsToOffsetAndMetadata().get()
                .forEach((p, o) -> out.put(p.toString(), o == null ? -1 : o.offset()));
        return out;
    }

    private static Object describeGroup(Admin admin, JsonNode request) throws Exception {
        var group = admin.describeConsumerGroups(Set.of(group(request))).all().get().get(group(request));
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("state", group.groupState().toString());
        out.put("type", group.type().toString());
        out.put("members", group.members().size());
        out.put("coordinator", group.coordinator().id());
        return out;
    }
}
