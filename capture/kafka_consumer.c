/* SPDX-License-Identifier: MIT */
#include "capture/kafka_consumer.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/recent.h"

#define COMMIT_NS NS_PER_S
/* How long the outputs may take to be done with a partition that is taken away. */
#define HAND_OVER_NS (10 * NS_PER_S)
#define HAND_OVER_STEP_NS (2 * NS_PER_MS)
#define ASK_MS 300

struct kafka_consumer {
    struct kafka_consumer_config config;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* rebalances and errors */
    int event_fd;
    bool assigned; /* without a group: all partitions */
    bool rejoin; /* what the group assigned could not be begun: it is asked again */
    struct kafka_partition **parts;
    size_t n_parts, n_in_topic;
    int64_t committed_ns;
    enum kafka_fault told;
};

/* Once per burst: nothing more of the same fault until a partition is assigned. */
static void tell(struct kafka_consumer *c, rd_kafka_resp_err_t code, const char *text)
{
    enum kafka_fault fault = kafka_fault_of(code);
    if (fault == c->told)
        return;
    c->told = fault;
    log_warn(c->config.end.option, "%s, topic %s: %s", c->config.end.hosts, c->config.end.topic,
             text);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    (void)rk;
    tell(opaque, (rd_kafka_resp_err_t)code, text);
}

/* --- commits --- */

static bool settle_all(struct kafka_consumer *c)
{
    bool all = true;
    for (size_t i = 0; i < c->n_parts; i++)
        all &= kafka_partition_settle(c->parts[i]);
    return all;
}

static void commit(struct kafka_consumer *c, bool wait)
{
    (void)settle_all(c);
    c->committed_ns = clock_mono_ns();
    if (!c->config.in_group)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->n_parts);
    for (size_t i = 0; i < c->n_parts; i++) {
        struct kafka_partition *p = c->parts[i];
        if (p->done > (wait ? -1 : p->committed)) /* one that was not waited for may have failed */
            rd_kafka_topic_partition_list_add(list, c->config.end.topic, p->number)->offset =
                p->done;
    }
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (list->cnt > 0)
        code = rd_kafka_commit(c->rk, list, !wait);
    rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        tell(c, code, rd_kafka_err2str(code));
        return; /* later again */
    }
    for (size_t i = 0; i < c->n_parts; i++)
        c->parts[i]->committed = c->parts[i]->done;
}

/* --- partitions --- */

static void drop_parts(struct kafka_consumer *c)
{
    for (size_t i = 0; i < c->n_parts; i++)
        kafka_partition_free(c->parts[i]);
    mem_free(c->parts);
    c->parts = NULL;
    c->n_parts = 0;
}

static int make_parts(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    int r = 0;
    drop_parts(c);
    if (list->cnt == 0)
        return 0;
    c->parts = mem_zalloc(MEM_IO, (size_t)list->cnt * sizeof(struct kafka_partition *));
    if (!c->parts)
        return -ENOMEM;
    for (int i = 0; i < list->cnt && r == 0; i++) {
        r = kafka_partition_new(&c->parts[c->n_parts], c->rk, c->config.end.topic,
                                list->elems[i].partition, c->event_fd);
        c->n_parts += r == 0;
    }
    return r;
}

/* Begins to read list, whose offsets are filled in here. */
static void assign(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t code = kafka_start_find(&c->config.start, c->rk, list, c->config.in_group);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && make_parts(c, list) < 0)
        code = RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_assign(c->rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        tell(c, code, rd_kafka_err2str(code));
        drop_parts(c);
        (void)rd_kafka_assign(c->rk, NULL);
        c->rejoin = c->config.in_group;
        return;
    }
    for (size_t i = 0; i < c->n_parts; i++)
        kafka_partition_redirect(c->parts[i]);
    c->assigned = true;
    c->told = KAFKA_FAULT_NONE;
}

/* The partitions go to others: they begin behind what is committed. */
static void hand_over(struct kafka_consumer *c)
{
    int64_t until_ns = clock_mono_ns() + HAND_OVER_NS;
    bool lost = rd_kafka_assignment_lost(c->rk); /* shut out: nothing can be committed */
    while (!lost && !settle_all(c) && clock_mono_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = HAND_OVER_STEP_NS}, NULL);
    if (!lost)
        commit(c, true);
    drop_parts(c);
}

/* How many partitions there are, from the brokers; false: they do not say. */
static bool count_partitions(struct kafka_consumer *c)
{
    const struct rd_kafka_metadata *found;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(c->rk, c->config.end.topic, NULL);
    if (!topic)
        return false;
    rd_kafka_resp_err_t code = rd_kafka_metadata(c->rk, 0, topic, &found, ASK_MS);
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    if (found->topic_cnt == 1 && found->topics[0].partition_cnt > 0)
        c->n_in_topic = (size_t)found->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(found);
    return c->n_in_topic > 0;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *c = opaque;
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        (void)count_partitions(c); /* there may be more than before */
        assign(c, list);
        log_info(c->config.end.option, "has %zu of the partitions of %s", c->n_parts,
                 c->config.end.topic);
        return;
    }
    hand_over(c);
    (void)rd_kafka_assign(rk, NULL);
}

static void assign_all(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new((int)c->n_in_topic);
    for (size_t i = 0; i < c->n_in_topic; i++)
        rd_kafka_topic_partition_list_add(all, c->config.end.topic, (int32_t)i);
    assign(c, all);
    rd_kafka_topic_partition_list_destroy(all);
}

/* --- opening and closing --- */

static int make_conf(rd_kafka_conf_t **confp, struct kafka_consumer *c, struct err *err)
{
    static const struct kafka_setting defaults[] = {
        {"queued.max.messages.kbytes", "16384"}, /* per partition */
        {"session.timeout.ms", "10000"}, /* how long a dead member keeps its partitions */
        {"partition.assignment.strategy", "roundrobin"},
    };
    const struct kafka_setting fixed[] = {
        {"group.id", c->config.group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "true"},
        {"auto.offset.reset", kafka_start_reset(&c->config.start)},
    };
    int r = kafka_conf_new(confp, &c->config.end, defaults, ARRAY_LEN(defaults), err);
    for (size_t i = 0; i < ARRAY_LEN(fixed) && r == 0; i++) {
        r = kafka_conf_fix(*confp, &c->config.end, fixed[i].name, fixed[i].value, err);
        if (r < 0)
            rd_kafka_conf_destroy(*confp);
    }
    if (r < 0)
        return r;
    rd_kafka_conf_set_opaque(*confp, c);
    rd_kafka_conf_set_events(*confp, RD_KAFKA_EVENT_ERROR);
    rd_kafka_conf_set_error_cb(*confp, on_error);
    rd_kafka_conf_set_rebalance_cb(*confp, on_rebalance);
    return 0;
}

static rd_kafka_resp_err_t subscribe(struct kafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, c->config.end.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code;
}

/* The first look at the topic, and then the group. */
static int join(struct kafka_consumer *c, struct err *err)
{
    static const uint64_t one = 1;
    rd_kafka_queue_t *events = rd_kafka_queue_get_main(c->rk);
    int r = kafka_check(c->rk, events, &c->config.end, err);
    rd_kafka_queue_destroy(events);
    if (r < 0)
        return r;
    (void)rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    rd_kafka_queue_io_event_enable(c->queue, c->event_fd, &one, sizeof(one));
    (void)count_partitions(c);
    if (!c->config.in_group)
        return 0;
    rd_kafka_resp_err_t code = subscribe(c);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : err_failure(err, "--input-kafka-topic \"%s\": %s", c->config.end.topic,
                             rd_kafka_err2str(code));
}

int kafka_consumer_new(struct kafka_consumer **cp, const struct kafka_consumer_config *config,
                       struct err *err)
{
    rd_kafka_conf_t *conf = NULL;
    struct kafka_consumer *c = mem_zalloc(MEM_IO, sizeof(*c));
    if (!c)
        return err_sys(err, ENOMEM, "--input-kafka-host");
    c->config = *config;
    c->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int r = c->event_fd == -1 ? err_sys(err, errno, "--input-kafka-host: eventfd") : 0;
    if (r == 0 && recent_new(&c->config.values.recent) < 0)
        r = err_sys(err, ENOMEM, "--input-kafka-host");
    if (r == 0)
        r = make_conf(&conf, c, err);
    if (r == 0)
        r = kafka_new(&c->rk, RD_KAFKA_CONSUMER, conf, &c->config.end, err);
    if (r == 0)
        r = join(c, err);
    if (r < 0) {
        kafka_consumer_free(c);
        return r;
    }
    *cp = c;
    return 0;
}

void kafka_consumer_free(struct kafka_consumer *c)
{
    if (!c)
        return;
    if (c->n_parts > 0)
        commit(c, true);
    drop_parts(c);
    if (c->queue) {
        rd_kafka_queue_io_event_enable(c->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(c->queue);
    }
    if (c->rk) {
        (void)rd_kafka_consumer_close(c->rk); /* leaves the group, so that others go on at once */
        rd_kafka_destroy(c->rk);
    }
    if (c->event_fd != -1)
        close(c->event_fd);
    recent_free(c->config.values.recent);
    mem_free(c);
}

/* --- running --- */

/* What comes through the common queue is a fault, or a message that strayed. Takes m. */
static void take_common(struct kafka_consumer *c, rd_kafka_message_t *m)
{
    bool of_partition =
        m->err == RD_KAFKA_RESP_ERR_NO_ERROR || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    for (size_t i = 0; i < c->n_parts && of_partition; i++)
        if (c->parts[i]->number == m->partition) {
            kafka_partition_give(c->parts[i], m, &c->config.values);
            return;
        }
    if (!of_partition)
        tell(c, m->err, rd_kafka_message_errstr(m));
    rd_kafka_message_destroy(m); /* of a partition that is not ours any more */
}

void kafka_consumer_serve(struct kafka_consumer *c)
{
    rd_kafka_message_t *m;
    /* to its end: what strayed comes before what is in the partitions' own queues by then */
    while ((m = rd_kafka_consumer_poll(c->rk, 0)))
        take_common(c, m);
    if (!c->config.in_group && !c->assigned && (c->n_in_topic > 0 || count_partitions(c)))
        assign_all(c);
    if (c->rejoin) {
        c->rejoin = false;
        (void)rd_kafka_unsubscribe(c->rk);
        (void)subscribe(c);
    }
    if (clock_mono_ns() - c->committed_ns >= COMMIT_NS)
        commit(c, false);
}

void kafka_consumer_read(struct kafka_consumer *c)
{
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < c->n_parts; i++) {
        rd_kafka_resp_err_t code = kafka_partition_read(c->parts[i], &c->config.values, now_ns);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            tell(c, code, rd_kafka_err2str(code));
    }
}

size_t kafka_consumer_partitions(struct kafka_consumer *c, struct kafka_partition ***out)
{
    *out = c->parts;
    return c->n_parts;
}

double kafka_consumer_share(const struct kafka_consumer *c)
{
    return c->n_in_topic > 0 ? (double)c->n_parts / (double)c->n_in_topic : 1;
}

void kafka_consumer_wait(struct kafka_consumer *c, int64_t wait_ns, int stop_fd)
{
    struct pollfd fds[] = {{.fd = c->event_fd, .events = POLLIN},
                           {.fd = stop_fd, .events = POLLIN}};
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    uint64_t events;
    (void)ppoll(fds, ARRAY_LEN(fds), &wait, NULL);
    /* it tells when an empty queue gets something, and all are looked at after this */
    ssize_t n = read(c->event_fd, &events, sizeof(events));
    (void)n;
}
