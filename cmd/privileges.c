/* SPDX-License-Identifier: MIT */
#include "cmd/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cap-ng.h>

#include "lib/log.h"

#define USUAL_USER "refrain"
#define ENTRY_MAX 4096

/* 0; -ENOENT: there is no such user; or -errno. */
static int look_up(struct privileges *p, const char *name)
{
    char text[ENTRY_MAX];
    struct passwd entry, *found = NULL;
    int errnum = getpwnam_r(name, &entry, text, sizeof(text), &found);
    if (!found)
        return errnum != 0 && errnum != ENOENT && errnum != ESRCH ? -errnum : -ENOENT;
    if (strlen(name) >= sizeof(p->name))
        return -ENAMETOOLONG;
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->uid = entry.pw_uid;
    p->gid = entry.pw_gid;
    return 0;
}

static int read_chosen(struct privileges *p, const char *name, struct err *err)
{
    int r = look_up(p, name);
    p->chosen = true;
    if (r == -ENOENT)
        return err_usage(err, "--user \"%s\": this host has no such user", name);
    if (r < 0)
        return err_sys(err, -r, "--user \"%s\"", name);
    if (geteuid() != 0 && p->uid != geteuid())
        return err_permission(err, "--user %s: only root can become another user", name);
    p->change = p->uid != geteuid();
    return 0;
}

int privileges_read(struct privileges *p, const struct options *options, bool wanted,
                    struct err *err)
{
    const char *name = options_string(options, "user");
    *p = (struct privileges){.uid = geteuid()};
    if (name[0])
        return read_chosen(p, name, err);
    if (geteuid() != 0 || !wanted)
        return 0;
    if (look_up(p, USUAL_USER) == 0)
        p->change = p->uid != 0;
    else
        log_debug(NULL, "there is no user " USUAL_USER ": it stays root");
    return 0;
}

/* It has the rights of who started it, as far as that can still be changed. */
static int cannot_change(struct privileges *p, const char *what, struct err *err)
{
    int errnum = errno;
    if (p->chosen)
        return err_permission(err, "--user %s: %s: %s", p->name, what, err_text(errnum));
    log_warn(NULL, "it stays root: it cannot become the user %s: %s: %s", p->name, what,
             err_text(errnum));
    p->change = false;
    return 0;
}

/* glibc has every thread do it. */
int privileges_change_user(struct privileges *p, struct err *err)
{
    if (!p->change)
        return 0;
    if (setresgid(p->gid, p->gid, p->gid) == -1 || initgroups(p->name, p->gid) == -1)
        return cannot_change(p, "its groups", err);
    if (setresuid(p->uid, p->uid, p->uid) == -1)
        return cannot_change(p, "its number", err);
    return 0;
}

/* The calling thread has those capabilities in the end, of those that it has, and no others. */
static int drop_capabilities(bool raw, bool override, struct err *err)
{
    bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    raw &= capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
    override &= capng_have_capability(CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
    capng_clear(CAPNG_SELECT_BOTH);
    const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
    int r = may_bound ? capng_apply(CAPNG_SELECT_BOUNDS) : 0;
    if (r == 0 && raw)
        r = capng_update(CAPNG_ADD, sets, CAP_NET_RAW);
    if (r == 0 && override)
        r = capng_update(CAPNG_ADD, sets, CAP_DAC_OVERRIDE);
    if (r == 0)
        r = capng_apply(CAPNG_SELECT_CAPS);
    if (r != 0)
        return err_sys(err, errno ? errno : EPERM, "capabilities cannot be dropped");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
        return err_sys(err, errno, "ambient capabilities cannot be dropped");
    return 0;
}

int privileges_drop(struct privileges *p, bool keep_raw, struct err *err)
{
    bool changes = p->change;
    /* else what is to be kept would go with the user */
    if (changes && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
        return err_sys(err, errno, "PR_SET_KEEPCAPS");
    int r = privileges_change_user(p, err);
    if (changes)
        prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (r < 0)
        return r;
    /* setresuid(2) has emptied the effective set, which dropping from the bounding set needs */
    errno = 0;
    if (capng_get_caps_process() != 0)
        return err_sys(err, errno ? errno : EPERM, "capabilities cannot be read");
    if (p->change && capng_have_capability(CAPNG_PERMITTED, CAP_SETPCAP) &&
        (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_SETPCAP) != 0 ||
         capng_apply(CAPNG_SELECT_CAPS) != 0))
        return err_sys(err, errno ? errno : EPERM, "capabilities cannot be set");
    r = drop_capabilities(keep_raw, geteuid() == 0, err);
    if (r == 0 || p->change)
        return r;
    /* a filter around it that refuses capset(2): no_new_privs keeps what it has from growing */
    log_warn("sandbox", "%s: it goes on with those that it has", err->text);
    return 0;
}

void privileges_explain(const struct privileges *p, int r, struct err *err)
{
    size_t len = strlen(err->text);
    if (!p->change || (r != -EACCES && r != -EPERM))
        return;
    snprintf(err->text + len, sizeof(err->text) - len,
             "; refrain does this as the user %s: let that user (chown, chmod), or start it with "
             "--user root",
             p->name);
}
