/* SPDX-License-Identifier: MIT */
#include "outputs/elastic_doc.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "lib/json_text.h"

/* gor's name of a field, and the field's own. */
struct named {
    const char *key, *field;
};

static const struct named request_fields[] = {
    {"Req_Accept-Language", "Accept-Language"}, {"Req_Accept", "Accept"},
    {"Req_Accept-Encoding", "Accept-Encoding"}, {"Req_If-Modified-Since", "If-Modified-Since"},
    {"Req_Connection", "Connection"},           {"Req_Cookies", "Cookie"},
};

static const struct named answer_fields[] = {
    {"Resp_Content-Length", "Content-Length"},
    {"Resp_Content-Type", "Content-Type"},
    {"Resp_Transfer-Encoding", "Transfer-Encoding"},
    {"Resp_Content-Encoding", "Content-Encoding"},
    {"Resp_Expires", "Expires"},
    {"Resp_Cache-Control", "Cache-Control"},
    {"Resp_Vary", "Vary"},
    {"Resp_Set-Cookie", "Set-Cookie"},
};

/* The value of one field, or an array of several. False: there is none, and nothing was written. */
static bool put_field(struct json_text *json, const struct msg *msg, const struct named *named)
{
    struct span name = span_str(named->field);
    struct http_field field;
    struct span first = {0};
    size_t n = 0, pos = msg->http.fields_off;
    while (http_field_next(msg_payload(msg), &msg->http, &pos, &field)) {
        if (!span_eq_nocase(field.name, name))
            continue;
        n++;
        if (n == 1) {
            first = field.value;
            continue;
        }
        if (n == 2) {
            json_put_key(json, named->key);
            json_put_raw(json, "[");
            json_put_string(json, first);
        }
        json_put_raw(json, ",");
        json_put_string(json, field.value);
    }
    if (n == 1)
        json_put_pair(json, named->key, first);
    else if (n > 1)
        json_put_raw(json, "]");
    return n > 0;
}

static void put_request(struct json_text *json, const struct msg *request)
{
    static const struct named agent = {"Req_User-Agent", "User-Agent"};
    json_put_pair(json, "Req_URL", msg_target(request));
    json_put_pair(json, "Req_Method", msg_method(request));
    if (!put_field(json, request, &agent))
        json_put_pair(json, agent.key, span_str(""));
    for (size_t i = 0; i < ARRAY_LEN(request_fields); i++)
        (void)put_field(json, request, &request_fields[i]);
}

static void put_answer(struct json_text *json, const struct msg *answer)
{
    char status[8];
    snprintf(status, sizeof(status), "%03u", (unsigned)answer->http.status);
    json_put_pair(json, "Resp_Status", span_str(status));
    json_put_pair(json, "Resp_Status-Code", span_str(status));
    json_put_pair(json, "Resp_Proto", span_str(answer->http.minor == 0 ? "HTTP/1.0" : "HTTP/1.1"));
    for (size_t i = 0; i < ARRAY_LEN(answer_fields); i++)
        (void)put_field(json, answer, &answer_fields[i]);
}

/* When the last byte of the answer had come, as RFC 3339 has it. */
static void put_time(struct json_text *json, const struct msg *answer)
{
    int64_t ns = answer->ts_ns - answer->latency_ns + answer->rtt_ns;
    time_t seconds = (time_t)(ns / NS_PER_S);
    struct tm tm;
    char date[32], text[48];
    if (ns < 0 || !gmtime_r(&seconds, &tm) ||
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return;
    snprintf(text, sizeof(text), "%s.%09dZ", date, (int)(ns % NS_PER_S));
    json_put_pair(json, "Timestamp", span_str(text));
}

int elastic_doc_write(struct buf *out, const struct msg *answer, const char *id)
{
    struct json_text json = {.out = out};
    char rtt[24];
    assert(answer->request);
    json_put_raw(&json, "{\"index\":{\"_id\":\"");
    json_put_raw(&json, id);
    json_put_raw(&json, "\"}}\n{");
    put_request(&json, answer->request);
    put_answer(&json, answer);
    json_put_key(&json, "RTT");
    snprintf(rtt, sizeof(rtt), "%" PRId64, answer->rtt_ns / NS_PER_MS);
    json_put_raw(&json, rtt);
    put_time(&json, answer);
    json_put_raw(&json, "}\n");
    return json.r;
}
