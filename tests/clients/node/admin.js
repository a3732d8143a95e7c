// The script that kafkajs's admin client is put through; see ../README.md.
'use strict'

const { ConfigResourceTypes } = require('kafkajs')

const VISIBLE_LIMIT_MS = 30_000
const VISIBLE_PAUSE_MS = 100
const RETENTION = 'retention.ms'
const RETENTION_MS = '3600000'

async function administer(admin, { topic, replication }, output) {
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }

  const listed = async (wanted) => {
    if ((await admin.listTopics()).includes(topic) !== wanted) throw new Error(`the topic is in the list: ${!wanted}`)
  }
  const described = async (count) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const { partitions } = topics[0]
    const right = partitions.every(({ leader, replicas }) => leader >= 0 && replicas.length === replication)
    if (partitions.length !== count || !right) throw new Error(`not ${count} partitions: ${JSON.stringify(partitions)}`)
  }
  const retention = async (wanted) => {
    const { resources } = await admin.describeConfigs({ resources: [resource] })
    const value = resources[0].configEntries.find(({ configName }) => configName === RETENTION)?.configValue
    if (!wanted(value)) throw new Error(`${RETENTION} is ${value}`)
  }

  const steps = {
    create_topic: () => admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: replication }] }),
    list_topics: () => eventually(() => listed(true)),
    describe_topic: () => eventually(() => described(2)),
    create_partitions: async () => {
      await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
      await eventually(() => described(3))
    },
    describe_configs: () => eventually(() => retention((value) => value !== undefined)),
    alter_configs: async () => {
      const configEntries = [{ name: RETENTION, value: RETENTION_MS }]
      await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] })
      await eventually(() => retention((value) => value === RETENTION_MS))
    },
    list_groups: () => admin.listGroups(),
    describe_cluster: async () => {
      if ((await admin.describeCluster()).brokers.length < 1) throw new Error('no brokers')
    },
    delete_topic: async () => {
      await admin.deleteTopics({ topics: [topic] })
      await eventually(() => listed(false))
    },
  }
  for (const [op, step] of Object.entries(steps)) {
    try {
      await step()
      output.event('admin', { op, ok: true, message: '' })
    } catch (error) {
      output.event('admin', { op, ok: false, message: String(error) })
    }
  }
}

/** Waits until every broker may know what the controller decided. */
async function eventually(check) {
  const deadline = Date.now() + VISIBLE_LIMIT_MS
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, VISIBLE_PAUSE_MS))
  }
}

module.exports = { administer }
