/* SPDX-License-Identifier: MIT */
/* The two ends of refrain convert. */
#pragma once

#include "tools/job.h"

enum format {
    FORMAT_GOR = 0,
    FORMAT_JSON, /* lines */
    FORMAT_HAR,
    FORMAT_PCAP,
    FORMAT_CURL,
};

/* Where messages go: takes msg. 0, or -errno with job->err. */
typedef int convert_put(struct job *job, const struct msg *msg);

/* What the file is, by its content: pcap and pcapng, a HAR, lines of JSON, curl commands, else a
 * recording. Of a pipe nothing is read: it counts as a recording. */
enum format convert_detect(const char *path);

/* Reads all of one file, and counts and tells what cannot be read. 0, or -errno with job->err. */
MUST_CHECK int convert_read(struct job *job, const char *path, enum format format,
                            convert_put *put);
/* operand: a capture file, with ports behind a colon or not. The options of --input-raw apply. */
MUST_CHECK int convert_read_pcap(struct job *job, const char *operand, convert_put *put);

struct writer;

MUST_CHECK int writer_new(struct writer **wp, struct job *job, enum format format);
void writer_free(struct writer *w);
/* Takes msg, writes it into job->out and counts what became of it. */
MUST_CHECK int writer_put(struct writer *w, const struct msg *msg);
/* What ends the document, and what still waited. Tells what was left out, and why. */
MUST_CHECK int writer_finish(struct writer *w);
