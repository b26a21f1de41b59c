/* SPDX-License-Identifier: MIT */
/* What inputs and outputs will do after the start, told by each from its options before the sandbox
 * closes (cmd/sandbox.h): it lets them do that and nothing else. What the open functions do with
 * descriptors that are open by then need not be told. Main thread. */
#pragma once

#include "lib/base.h"

enum need_kind {
    NEED_WRITE = 0, /* opens, makes, renames and deletes files in a folder, and folders below it */
    NEED_WRITE_ANEW, /* the same, and is of no use if it may not make files there */
    NEED_MAKE, /* as NEED_WRITE, in a folder that it makes when it is missing */
    NEED_MAKE_ANEW, /* as NEED_WRITE_ANEW, likewise */
    NEED_REMOVE, /* deletes a file, and makes none there */
    NEED_READ, /* opens a file for reading */
    NEED_LOOK, /* asks whether a file is there */
    NEED_CONNECT, /* by TCP to a port */
    NEED_CONNECT_ANYWHERE, /* peers tell where */
};

struct need {
    enum need_kind kind;
    const char *option; /* whose it is: "output-file"; constant */
    char *path; /* as it was given; NULL for ports */
    uint16_t port;
};

struct needs {
    size_t n;
    struct need *list;
    bool broken; /* there was no memory for one */
};

/* From {0}. */
void needs_fini(struct needs *needs);

/* path may hold placeholders (%Y): what stands before the first one is what counts. "" is none. */
void needs_path(struct needs *needs, enum need_kind kind, const char *option, const char *path);
/* port: decimal; what is none needs nothing: whoever opens it says so. */
void needs_connect(struct needs *needs, const char *option, const char *port);
/* The port of "scheme://user@host:port/..."; without a port the scheme's (http, https, ws, wss),
 * and without that: usual. */
void needs_connect_url(struct needs *needs, const char *option, const char *url, uint16_t usual);
void needs_connect_anywhere(struct needs *needs, const char *option);

/* The folder in which the files named by path are, up to the first that has a placeholder: "/a" of
 * "/a/%Y/x.gor". out: room for PATH_MAX. False: it is longer. */
bool needs_folder(char *out, const char *path);
