/* SPDX-License-Identifier: MIT */
#include "capture/kafka_start.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/limit.h"
#include "lib/units.h"

#define ASK_MS 10000
#define TEXT_MAX 64

static bool parse_time(const char *text, int64_t *ms)
{
    struct tm tm = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end || strcmp(end, "Z") != 0)
        return false;
    *ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

int kafka_start_parse(struct kafka_start *start, const char *text, struct err *err)
{
    struct limit limit;
    size_t len;
    char place[TEXT_MAX];
    int64_t n;
    int r = limit_parse("input-kafka-offset", text, &len, &limit, err);
    if (r < 0)
        return r;
    *start = (struct kafka_start){.kind = KAFKA_START_OFFSET, .percent = limit.percent};
    snprintf(place, sizeof(place), "%.*s", (int)(len < TEXT_MAX ? len : TEXT_MAX - 1), text);
    if (strcmp(place, "group") == 0) {
        start->kind = KAFKA_START_GROUP;
        return 0;
    }
    if (place[0] == '@' && parse_time(place + 1, &start->value)) {
        start->kind = KAFKA_START_TIME;
    } else if (!units_parse_int(place, &n) && n >= RD_KAFKA_OFFSET_BEGINNING) {
        start->value = n;
    } else {
        return err_usage(err,
                         "--input-kafka-offset \"%s\": expected -1 (the end), -2 (the beginning), "
                         "an offset, @2026-11-20T12:00:00Z or group",
                         text);
    }
    /* as gor: what is new is played as it comes, what is old as it was recorded */
    if (start->percent == 0 && start->value != RD_KAFKA_OFFSET_END)
        start->percent = 100;
    return 0;
}

const char *kafka_start_reset(const struct kafka_start *start)
{
    if (start->kind == KAFKA_START_GROUP || start->value == RD_KAFKA_OFFSET_BEGINNING)
        return "earliest";
    return start->value == RD_KAFKA_OFFSET_END ? "latest" : "error";
}

/* The offsets of that time. One behind the last message becomes the end. */
static rd_kafka_resp_err_t find_times(const struct kafka_start *start, rd_kafka_t *rk,
                                      rd_kafka_topic_partition_list_t *parts)
{
    for (int i = 0; i < parts->cnt; i++)
        parts->elems[i].offset = start->value;
    return rd_kafka_offsets_for_times(rk, parts, ASK_MS);
}

rd_kafka_resp_err_t kafka_start_find(const struct kafka_start *start, rd_kafka_t *rk,
                                     rd_kafka_topic_partition_list_t *parts, bool in_group)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (start->kind == KAFKA_START_GROUP)
        return code; /* librdkafka's own way */
    rd_kafka_topic_partition_list_t *been = rd_kafka_topic_partition_list_copy(parts);
    if (in_group)
        code = rd_kafka_committed(rk, been, ASK_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && start->kind == KAFKA_START_TIME)
        code = find_times(start, rk, parts);
    for (int i = 0; i < parts->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        if (start->kind == KAFKA_START_OFFSET)
            parts->elems[i].offset = start->value;
        if (in_group && been->elems[i].offset >= 0)
            parts->elems[i].offset = been->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(been);
    return code;
}
