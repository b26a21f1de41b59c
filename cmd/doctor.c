/* SPDX-License-Identifier: MIT */
#include "cmd/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "capture/raw_probe.h"
#include "cmd/findings.h"
#include "cmd/help.h"
#include "lib/err.h"
#include "lib/log.h"

void finding(struct findings *f, enum finding_level level, const char *about, const char *fmt, ...)
{
    static const char *const names[] = {"ok", "note", "warn", "fault"};
    va_list args;
    f->counts[level]++;
    printf("%-5s  %-12s ", names[level], about);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

static void tell_ports(struct findings *f, const struct raw_address *address)
{
    for (size_t i = 0; i < address->n_ports && !address->is_file; i++) {
        unsigned port = address->ports[i];
        if (doctor_is_served(address->ports[i]))
            finding(f, FINDING_OK, "port", "%u: a server listens there", port);
        else
            finding(f, FINDING_NOTE, "port",
                    "%u: nothing on this host listens there: right at a mirror port or a gateway",
                    port);
    }
}

static void tell_capture(struct findings *f, const char *value, const struct options *options)
{
    struct err err;
    struct raw_probe probe;
    if (raw_probe(&probe, value, options, &err) < 0) {
        finding(f, FINDING_FAULT, "capture", "%s", err.text);
        return;
    }
    finding(f, probe.decoded ? FINDING_OK : FINDING_FAULT, "capture",
            "--input-raw \"%s\": %s %s, link type %s%s", value,
            probe.address.is_file ? "file" : "device", probe.name, probe.link_type,
            probe.decoded ? "" : ", which is not decoded");
    if (*probe.filter)
        finding(f, FINDING_NOTE, "filter", "%s", probe.filter);
    uint64_t ring = options_size(options, "input-raw-buffer-size");
    if (!probe.address.is_file)
        finding(f, FINDING_NOTE, "buffer", "%llu MiB in the kernel for packets not read yet",
                (unsigned long long)((ring ? ring : RAW_DEFAULT_BUFFER) / MIB));
    tell_ports(f, &probe.address);
}

int doctor_run(const struct options *options)
{
    struct findings f = {.counts = {0}};
    const char *value;
    help_print_version(stdout);
    doctor_host(&f);
    doctor_net(&f);
    for (size_t i = 0; (value = options_nth(options, "input-raw", i)); i++)
        tell_capture(&f, value, options);
    if (!options_nth(options, "input-raw", 0))
        finding(&f, FINDING_NOTE, "capture",
                "none asked for: add --input-raw :8080 to see what it would listen to");
    printf("%u ok, %u to know, %u to mend, %u that does not work\n", f.counts[FINDING_OK],
           f.counts[FINDING_NOTE], f.counts[FINDING_WARN], f.counts[FINDING_FAULT]);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_error(NULL, "refrain doctor: standard output: %s", err_text(errno));
        return STATUS_FAILURE;
    }
    return f.counts[FINDING_FAULT] > 0 ? STATUS_FAILURE : STATUS_DONE;
}
