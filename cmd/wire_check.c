/* SPDX-License-Identifier: MIT */
#include "cmd/wire_check.h"

#include <errno.h>

#include "cmd/fail_on.h"
#include "cmd/host.h"
#include "cmd/metrics.h"
#include "cmd/registry.h"
#include "cmd/stats.h"
#include "cmd/wire_compare.h"
#include "config.h"
#include "lib/mem.h"
#include "lib/options_table.h"
#include "outputs/outputs.h"

/* A host that nothing is there for must not be passed over. */
static int check_kafka(const struct options *options, struct err *err)
{
    static const char *const hosts[] = {"input-kafka-host", "output-kafka-host"};
    for (size_t i = 0; i < ARRAY_LEN(hosts) && !HAVE_KAFKA; i++)
        if (options_given(options, hosts[i]))
            return err_usage(err, "--%s: this refrain was built without librdkafka", hosts[i]);
    return 0;
}

/* What is stored are answers: somebody must get some. */
static int check_documents(const struct wanted_outputs *outputs, struct err *err)
{
    const struct output_ops *documents = NULL;
    bool target = false;
    for (size_t i = 0; i < outputs->n; i++) {
        const struct output_ops *ops = outputs->wanted[i].ops;
        target |= ops->exchanges && !ops->baseline;
        documents = ops->documents ? ops : documents;
    }
    if (!documents || target)
        return 0;
    return err_usage(err, "--%s: there is no --output-http whose answers could be stored",
                     documents->option);
}

int wire_read(struct wanted_inputs *inputs, struct wanted_outputs *outputs,
              const struct options *options, struct err *err)
{
    int r = check_kafka(options, err);
    if (r == 0)
        r = host_check(options, err);
    if (r == 0)
        r = wanted_inputs_read(inputs, options, err);
    if (r == 0)
        r = wanted_read(outputs, options, err);
    if (r < 0)
        return r;
    if (outputs->n == 0 && options_bool(options, "input-file-dry-run"))
        outputs->wanted[outputs->n++] =
            (struct wanted){.ops = &output_null, .value = "", .name = ""};
    if (outputs->n == 0)
        return err_usage(err, "nowhere to write: give an output, e.g. --output-stdout or "
                              "--output-file requests.gor (see --help)");
    return check_documents(outputs, err);
}

/* Its conditions and changes. */
static int check_output(const struct wanted_outputs *all, const struct wanted *wanted,
                        const struct options *options, struct err *err)
{
    struct output_rules rules;
    struct route *route = NULL;
    struct sampler sampler;
    int r = wanted_open_rules(&rules, wanted, options, err);
    if (r < 0)
        return r;
    sampler_init(&sampler, &wanted->limit, all->seed);
    const struct route_output output = {
        .name = rules.name,
        .options = rules.options,
        .sampler = &sampler,
        .in_split = all->split && !wanted->aside,
        .weight = wanted_weight(wanted),
    };
    r = route_new(&route, &output, 1, &all->split_by, all->seed, err);
    route_free(route);
    filter_chain_free(rules.rewriters);
    options_free(rules.options);
    return r;
}

static int check_all(struct wanted_inputs *inputs, struct wanted_outputs *outputs,
                     const struct options *options, struct err *err)
{
    struct filter_chain *chain = NULL;
    int r = fail_on_check(options, err);
    if (r == 0)
        r = stats_check(options, err);
    if (r == 0)
        r = metrics_check(options, err);
    if (r == 0)
        r = wire_read(inputs, outputs, options, err);
    for (size_t i = 0; r == 0 && i < outputs->n; i++)
        r = check_output(outputs, &outputs->wanted[i], options, err);
    if (r == 0)
        r = filter_chain_new(&chain, registry_filters, registry_n_filters(), options, err);
    filter_chain_free(chain);
    return r;
}

int wire_check(const struct options *options, struct err *err)
{
    struct wanted_inputs *inputs = mem_zalloc(MEM_OTHER, sizeof(*inputs));
    struct wanted_outputs *outputs = mem_zalloc(MEM_OTHER, sizeof(*outputs));
    int r = inputs && outputs ? check_all(inputs, outputs, options, err)
                              : err_sys(err, ENOMEM, "start");
    mem_free(inputs);
    mem_free(outputs);
    return r;
}
