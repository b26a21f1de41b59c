/* SPDX-License-Identifier: MIT */
/* input-kafka: reads a topic, alone or with others of a consumer group. Messages of all its
 * partitions come as one timeline when they are paced: the one with the earliest time goes next, at
 * an absolute deadline. */
#include <errno.h>
#include <string.h>

#include "capture/inputs.h"
#include "capture/kafka_consumer.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/pacer.h"

/* Messages put before the outputs are woken. */
#define BATCH 256
/* How long a partition may have nothing, and not be known to be at its end, before the others go on
 * without it. */
#define PATIENCE_NS NS_PER_S
#define STEP_NS (50 * NS_PER_MS)
#define USUAL_GROUP "refrain"

struct kafka_input {
    struct input base;
    int stop_fd;
    struct kafka_consumer_config config;
    struct kafka_consumer *consumer; /* from start on */
    double percent; /* of the speed of the recording; 0: as it comes */
    struct pacer pacer;
    bool begun; /* first_ns is known */
    int64_t first_ns; /* the earliest time */
    struct kafka_partition *due; /* holds the next message, whose deadline is known; or NULL */
    int64_t deadline_ns;
};

static void kafka_close(struct input *in)
{
    if (!in)
        return;
    struct kafka_input *k = container_of(in, struct kafka_input, base);
    kafka_consumer_free(k->consumer);
    mem_free(k);
}

static int set_up(struct kafka_input *k, const struct input_args *args, const char *hosts,
                  struct err *err)
{
    const struct options *o = args->options;
    struct kafka_consumer_config *config = &k->config;
    config->group = options_string(o, "input-kafka-group");
    int r = kafka_end_init(&config->end, "input-kafka", hosts, o, err);
    if (r == 0)
        r = kafka_start_parse(&config->start, options_string(o, "input-kafka-offset"), err);
    if (r < 0)
        return r;
    config->in_group = config->group[0] != '\0' || config->start.kind == KAFKA_START_GROUP;
    if (config->group[0] == '\0')
        config->group = USUAL_GROUP;
    config->values.json = options_bool(o, "input-kafka-json-format");
    config->values.books = args->books;
    k->percent = config->start.percent;
    k->stop_fd = args->stop_fd;
    pacer_init(&k->pacer, &pacer_real_clock, 0);
    return 0;
}

static int kafka_open(struct input **inp, const struct input_args *args, struct err *err)
{
    size_t len = strlen(args->addresses[0]) + 1;
    struct kafka_input *k = mem_zalloc(MEM_IO, sizeof(*k) + len);
    if (!k)
        return err_sys(err, ENOMEM, "--input-kafka-host");
    k->base.ops = &input_kafka;
    memcpy(k + 1, args->addresses[0], len); /* behind the struct */
    int r = set_up(k, args, (const char *)(k + 1), err);
    if (r < 0) {
        kafka_close(&k->base);
        return r;
    }
    *inp = &k->base;
    return 0;
}

/* librdkafka has threads, and brokers answer. */
static int kafka_start(struct input *in, struct err *err)
{
    struct kafka_input *k = container_of(in, struct kafka_input, base);
    return kafka_consumer_new(&k->consumer, &k->config, err);
}

/* Brokers tell of other brokers, at ports of their own. */
static void kafka_needs(struct needs *needs, const struct input_args *args)
{
    (void)args;
    needs_connect_anywhere(needs, "input-kafka-host");
}

/* Puts what there is; how many. */
static size_t put_all(struct kafka_input *k, struct sink *sink)
{
    struct kafka_partition **parts;
    size_t n = kafka_consumer_partitions(k->consumer, &parts), put = 0, before;
    do {
        before = put;
        kafka_consumer_read(k->consumer);
        for (size_t i = 0; i < n; i++) {
            if (!parts[i]->next)
                continue;
            sink_put(sink, kafka_partition_take(parts[i]));
            put++;
        }
    } while (put > before && put < BATCH);
    return put;
}

/* The partition whose next message is the earliest. NULL: none has one, or one that may have an
 * earlier one is still waited for. */
static struct kafka_partition *earliest(struct kafka_input *k)
{
    struct kafka_partition **parts, *first = NULL;
    size_t n = kafka_consumer_partitions(k->consumer, &parts);
    int64_t now_ns = clock_mono_ns();
    kafka_consumer_read(k->consumer);
    for (size_t i = 0; i < n; i++) {
        struct kafka_partition *p = parts[i];
        if (!p->next && !p->at_end && now_ns - p->dry_ns < PATIENCE_NS)
            return NULL;
        if (p->next && (!first || p->next->ts_ns < first->next->ts_ns))
            first = p;
    }
    return first;
}

/* Finds out which message is next, and when it is due. */
static bool find_due(struct kafka_input *k)
{
    k->due = earliest(k);
    if (!k->due)
        return false;
    int64_t ts_ns = k->due->next->ts_ns;
    if (!k->begun) {
        k->begun = true;
        k->first_ns = ts_ns;
    }
    k->deadline_ns = pacer_deadline(&k->pacer, pacer_offset(ts_ns, k->first_ns, k->percent));
    return true;
}

/* Puts what is due. wait_ns: how long there is nothing to do. How many. */
static size_t put_due(struct kafka_input *k, struct sink *sink, int64_t *wait_ns)
{
    size_t put = 0;
    for (; put < BATCH; put++) {
        if (!k->due && !find_due(k)) {
            *wait_ns = STEP_NS;
            break;
        }
        if (!pacer_is_due(&k->pacer, k->deadline_ns)) {
            *wait_ns = k->deadline_ns - clock_mono_ns();
            break;
        }
        struct msg *msg = kafka_partition_take(k->due);
        k->due = NULL;
        msg->due_ns = k->deadline_ns;
        sink_put(sink, msg);
    }
    return put;
}

static int kafka_poll(struct input *in, struct sink *sink, int timeout_ms, struct err *err)
{
    struct kafka_input *k = container_of(in, struct kafka_input, base);
    int64_t wait_ns = timeout_ms * NS_PER_MS, until_due_ns = wait_ns;
    (void)err;
    k->due = NULL; /* serving may take the partitions away */
    kafka_consumer_serve(k->consumer);
    in->share = kafka_consumer_share(k->consumer);
    if ((k->percent > 0 ? put_due(k, sink, &until_due_ns) : put_all(k, sink)) > 0)
        return INPUT_MORE;
    if (until_due_ns < wait_ns)
        wait_ns = until_due_ns;
    if (wait_ns > 0)
        kafka_consumer_wait(k->consumer, wait_ns, k->stop_fd);
    return INPUT_MORE;
}

static void kafka_held(struct input *in, int64_t held_ns)
{
    pacer_hold(&container_of(in, struct kafka_input, base)->pacer, held_ns);
}

static void kafka_set_speed(struct input *in, double speed)
{
    struct kafka_input *k = container_of(in, struct kafka_input, base);
    k->deadline_ns = pacer_set_speed(&k->pacer, speed, k->deadline_ns);
}

const struct input_ops input_kafka = {
    .option = "input-kafka-host",
    .suffix_option = "input-kafka-offset",
    .needs = kafka_needs,
    .open = kafka_open,
    .start = kafka_start,
    .poll = kafka_poll,
    .held = kafka_held,
    .set_speed = kafka_set_speed,
    .close = kafka_close,
};
