/* SPDX-License-Identifier: MIT */
/* The packets of a plain capture file where they lie: in what read(2) has filled, without libpcap's
 * copy of each, and several at a time. Only of files as nearly all are: pcap in the byte order of
 * this machine. At whatever is odd, and at the end, libpcap reads on from there, and says what is
 * wrong. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "capture/source.h"
#include "lib/mem.h"

/* https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html, 4 and 5 */
#define MAGIC_MICROSECONDS 0xa1b2c3d4
#define MAGIC_NANOSECONDS 0xa1b23c4d
#define VERSION_MAJOR 2
#define VERSION_MINOR 4

/* Bytes per read(2): few calls, and what was read is still in the cache when it is looked at. */
#define READ_BYTES (128 * KIB)

struct file_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2];
    uint32_t snaplen, link_type;
};

struct record_head {
    int32_t s, fraction; /* signed, as libpcap has it */
    uint32_t len, wire_len;
};

struct records {
    int fd; /* libpcap's */
    uint32_t longest; /* of the packets that are not odd */
    int64_t unit_ns; /* of a time's fraction */
    int64_t offset; /* in the file: behind what is in the buffer */
    size_t from, to; /* what of the buffer was not handed out yet */
    bool is_odd; /* what comes there */
    uint8_t buffer[sizeof(struct record_head) + SOURCE_SNAPLEN + READ_BYTES];
};

int records_open(struct source *s)
{
    struct file_head head;
    int fd = fileno(pcap_file(s->pcap));
    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.major != VERSION_MAJOR ||
        head.minor != VERSION_MINOR ||
        (head.magic != MAGIC_MICROSECONDS && head.magic != MAGIC_NANOSECONDS))
        return 0;
    struct records *r = mem_alloc(MEM_IO, sizeof(*r));
    if (!r)
        return -ENOMEM;
    uint32_t snaplen = (uint32_t)pcap_snapshot(s->pcap); /* > 0 */
    r->fd = fd;
    r->longest = snaplen < SOURCE_SNAPLEN ? snaplen : SOURCE_SNAPLEN;
    r->unit_ns = head.magic == MAGIC_NANOSECONDS ? 1 : NS_PER_US;
    r->offset = sizeof(head);
    r->from = r->to = 0;
    r->is_odd = false;
    s->records = r;
    return 0;
}

void records_free(struct records *r)
{
    mem_free(r);
}

/* The next packets of those that are whole in the buffer. */
static size_t gather(struct records *r, struct packet *packets, size_t max)
{
    size_t n = 0;
    while (n < max && r->to - r->from >= sizeof(struct record_head)) {
        struct record_head head;
        const uint8_t *at = r->buffer + r->from;
        memcpy(&head, at, sizeof(head));
        r->is_odd = head.len > r->longest;
        if (r->is_odd || r->to - r->from - sizeof(head) < head.len)
            break;
        packets[n++] = (struct packet){.bytes = at + sizeof(head),
                                       .len = head.len,
                                       .wire_len = head.wire_len,
                                       .ts_ns = source_time_ns(head.s, head.fraction * r->unit_ns)};
        r->from += sizeof(head) + head.len;
    }
    return n;
}

/* False: there is no more, or what comes next is odd. */
static bool fill(struct records *r)
{
    size_t left = r->to - r->from; /* less than the longest packet */
    if (r->is_odd)
        return false;
    assert(left <= sizeof(r->buffer) - READ_BYTES);
    memmove(r->buffer, r->buffer + r->from, left);
    ssize_t n = pread(r->fd, r->buffer + left, READ_BYTES, r->offset);
    r->from = 0;
    r->to = left + (n > 0 ? (size_t)n : 0);
    r->offset += n > 0 ? n : 0;
    return n > 0;
}

/* libpcap reads on where this has ended. */
static int leave_to_libpcap(struct source *s)
{
    struct records *r = s->records;
    int64_t offset = r->offset - (int64_t)(r->to - r->from);
    int status = fseeko(pcap_file(s->pcap), offset, SEEK_SET);
    records_free(r);
    s->records = NULL;
    return status == 0 ? 0 : PCAP_ERROR;
}

int records_dispatch(struct source *s, int max, source_take *take, void *user)
{
    struct packet packets[SOURCE_BATCH];
    int total = 0;
    while (total < max) {
        size_t room = (size_t)(max - total);
        size_t n = gather(s->records, packets, room < SOURCE_BATCH ? room : SOURCE_BATCH);
        if (n > 0)
            take(user, packets, n);
        else if (!fill(s->records))
            return leave_to_libpcap(s) < 0 ? PCAP_ERROR : total;
        total += (int)n;
    }
    return total;
}
