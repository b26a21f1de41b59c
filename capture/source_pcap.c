/* SPDX-License-Identifier: MIT */
/* Capture files, read by libpcap. A plain file is read as it is, nearly always by
 * source_records.c; what has to be waited for or inflated comes through a stream of our own, which
 * can be stopped. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/file_stream.h"
#include "capture/source.h"
#include "lib/mem.h"

/* Bytes per read(2) of a plain file: few calls, and what was read is still in the cache when
 * libpcap copies it. */
#define READ_BYTES (128 * KIB)
/* Inflated bytes that wait for libpcap, those in doubt included: see file_stream_unsure(). */
#define READY_MAX (2 * MIB)
#define WAIT_MS 1000

struct capture_stream {
    struct file_stream *bytes;
    struct buf ready;
    int stop_fd;
    bool stopped, cut, over;
};

int source_set_filter(struct source *s, const char *option, const char *text, struct err *err)
{
    struct bpf_program program;
    if (pcap_compile(s->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return err_usage(err, "--%s on %s: %s in the filter \"%s\"", option, s->name,
                         pcap_geterr(s->pcap), text);
    int status = pcap_setfilter(s->pcap, &program);
    pcap_freecode(&program);
    if (status != 0)
        return err_failure(err, "--%s on %s: the filter \"%s\" cannot be set: %s", option, s->name,
                           text, pcap_geterr(s->pcap));
    snprintf(s->filter, sizeof(s->filter), "%s", text);
    return 0;
}

static void stream_free(struct capture_stream *stream)
{
    if (!stream)
        return;
    file_stream_free(stream->bytes);
    buf_fini(&stream->ready);
    mem_free(stream);
}

void source_close(struct source *s)
{
    if (s->pcap)
        pcap_close(s->pcap); /* and with it the file */
    if (s->file)
        fclose(s->file);
    mem_free(s->file_buffer);
    stream_free(s->stream);
    records_free(s->records);
    if ((s->vxlan || s->direct) && s->fd != -1)
        close(s->fd);
    vxlan_free(s->vxlan);
    direct_free(s->direct);
    *s = (struct source){.fd = -1};
}

static size_t n_ready(const struct capture_stream *stream)
{
    size_t n = buf_span(&stream->ready).len;
    size_t unsure = stream->over ? 0 : file_stream_unsure(stream->bytes);
    return n > unsure ? n - unsure : 0;
}

static bool is_stopped(const struct capture_stream *stream)
{
    struct pollfd fd = {.fd = stream->stop_fd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

/* Gets more bytes, or sets over. 0 or -errno. */
static int stream_fill(struct capture_stream *stream)
{
    int r = file_stream_read(stream->bytes, &stream->ready, WAIT_MS, stream->stop_fd);
    if (r == STREAM_WAIT)
        stream->over = stream->stopped = is_stopped(stream);
    if (r == STREAM_END || r == STREAM_BREAK)
        stream->over = true;
    if (r != STREAM_BREAK)
        return r < 0 ? r : 0;
    stream->cut = true;
    if (file_stream_is_garbled(stream->bytes))
        buf_consume(&stream->ready, buf_span(&stream->ready).len);
    return 0;
}

/* Gives what there is: libpcap comes again for the rest. */
static ssize_t stream_read(void *cookie, char *out, size_t size)
{
    struct capture_stream *stream = cookie;
    while (n_ready(stream) == 0 && !stream->over) {
        int r = stream_fill(stream);
        if (r < 0) {
            errno = -r;
            return -1;
        }
    }
    size_t n = n_ready(stream) < size ? n_ready(stream) : size;
    if (n == 0)
        return 0;
    memcpy(out, buf_span(&stream->ready).ptr, n);
    buf_consume(&stream->ready, n);
    return (ssize_t)n;
}

static int no_memory(const char *path, struct err *err)
{
    return err_sys(err, ENOMEM, "--input-raw \"%s\"", path);
}

static int stream_open(struct source *s, const char *path, int stop_fd, struct err *err)
{
    static const cookie_io_functions_t functions = {.read = stream_read};
    struct capture_stream *stream = mem_zalloc(MEM_IO, sizeof(*stream));
    if (!stream)
        return no_memory(path, err);
    stream->stop_fd = stop_fd;
    buf_init(&stream->ready, READY_MAX);
    int r = file_stream_open(&stream->bytes, path, err);
    if (r < 0)
        r = err_sys(err, -r, "--input-raw \"%s\": cannot be opened", path);
    else if (!(s->file = fopencookie(stream, "rb", functions)))
        r = no_memory(path, err);
    if (r < 0) {
        stream_free(stream);
        return r;
    }
    s->stream = stream;
    return 0;
}

/* Not compressed: libpcap can read it as it is. */
static bool is_plain(int fd)
{
    uint8_t magic[2] = {0};
    ssize_t n = pread(fd, magic, sizeof(magic), 0);
    return n != sizeof(magic) || magic[0] != 0x1f || magic[1] != 0x8b;
}

/* Looked at by name: a FIFO must not be opened twice. */
static bool is_regular(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* s->file stays NULL when it is not a plain one. */
static int open_plain(struct source *s, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd == -1)
        return err_sys(err, errno, "--input-raw \"%s\": cannot be opened", path);
    if (is_plain(fd)) {
        s->file = fdopen(fd, "rb");
        s->file_buffer = s->file ? mem_alloc(MEM_IO, READ_BYTES) : NULL;
        if (s->file_buffer) /* without one setvbuf() ignores the size; then it is 4 KiB */
            setvbuf(s->file, s->file_buffer, _IOFBF, READ_BYTES);
        if (s->file)
            return 0;
    }
    close(fd);
    return 0;
}

int source_open_file(struct source *s, const struct raw_address *address, int stop_fd,
                     struct err *err)
{
    const char *path = address->host;
    *s = (struct source){.fd = -1};
    snprintf(s->name, sizeof(s->name), "%s", path);
    int r = is_regular(path) ? open_plain(s, path, err) : 0;
    if (r == 0 && !s->file)
        r = stream_open(s, path, stop_fd, err);
    if (r < 0)
        source_close(s);
    return r;
}

int source_begin_file(struct source *s, const struct options *options, struct err *err)
{
    const char *filter = options_string(options, "input-raw-bpf-filter");
    char text[PCAP_ERRBUF_SIZE];
    s->pcap = pcap_fopen_offline_with_tstamp_precision(s->file, PCAP_TSTAMP_PRECISION_NANO, text);
    if (!s->pcap && source_was_stopped(s))
        return 1;
    if (!s->pcap)
        return err_failure(err, "--input-raw \"%s\": not a capture file that can be read: %s",
                           s->name, text);
    s->file = NULL;
    s->link_type = pcap_datalink(s->pcap);
    if (*filter)
        return source_set_filter(s, "input-raw-bpf-filter", filter, err);
    return s->stream || records_open(s) == 0 ? 0 : no_memory(s->name, err);
}

bool source_is_pipe(const struct source *s)
{
    return s->stream && !file_stream_is_regular(s->stream->bytes);
}

bool source_was_stopped(const struct source *s)
{
    return s->stream && s->stream->stopped;
}

bool source_was_cut(const struct source *s, bool failed)
{
    return (s->stream && s->stream->cut) || (failed && feof(pcap_file(s->pcap)));
}
