/* SPDX-License-Identifier: MIT */
/* Capture files: pcap and pcapng, plain or gzip, or from standard input. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "capture/source.h"

int source_set_filter(struct source *s, const char *text, struct err *err)
{
    struct bpf_program program;
    if (pcap_compile(s->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return err_usage(err, "--input-raw-bpf-filter \"%s\": %s", text, pcap_geterr(s->pcap));
    int status = pcap_setfilter(s->pcap, &program);
    pcap_freecode(&program);
    if (status != 0)
        return err_failure(err, "--input-raw: the filter \"%s\" cannot be set: %s", text,
                           pcap_geterr(s->pcap));
    snprintf(s->filter, sizeof(s->filter), "%s", text);
    return 0;
}

void source_close(struct source *s)
{
    if (s->pcap)
        pcap_close(s->pcap); /* and with it the file */
    *s = (struct source){.fd = -1};
}

/* zlib reads plain files as they are. */
static ssize_t gz_read(void *cookie, char *buf, size_t size)
{
    return gzread(cookie, buf, size > INT32_MAX ? INT32_MAX : (unsigned)size);
}

static int gz_close(void *cookie)
{
    return gzclose(cookie) == Z_OK ? 0 : -1;
}

static FILE *open_stream(const char *path)
{
    static const cookie_io_functions_t functions = {.read = gz_read, .close = gz_close};
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : -1;
    gzFile gz = fd != -1 ? gzdopen(fd, "rb") : gzopen(path, "rb");
    if (!gz)
        return NULL;
    gzbuffer(gz, 256 * 1024);
    FILE *f = fopencookie(gz, "rb", functions);
    if (!f)
        gzclose(gz);
    return f;
}

int source_open_file(struct source *s, const struct raw_address *address,
                     const struct options *options, struct err *err)
{
    char text[PCAP_ERRBUF_SIZE];
    const char *path = address->host;
    const char *filter = options_string(options, "input-raw-bpf-filter");
    *s = (struct source){.fd = -1};
    snprintf(s->name, sizeof(s->name), "%s", path);
    errno = 0;
    FILE *f = open_stream(path);
    if (!f)
        return err_sys(err, errno ? errno : ENOMEM, "--input-raw \"%s\": cannot open", path);
    s->pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, text);
    if (!s->pcap) {
        fclose(f);
        return err_failure(err, "--input-raw \"%s\": not a capture file that can be read: %s", path,
                           text);
    }
    s->link_type = pcap_datalink(s->pcap);
    int r = *filter ? source_set_filter(s, filter, err) : 0;
    if (r < 0)
        source_close(s);
    return r;
}
