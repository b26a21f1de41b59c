/* SPDX-License-Identifier: MIT */
#include "tools/json_get.h"

#include <errno.h>
#include <setjmp.h>

#include "lib/mem.h"

/* jansson 2.14 does not look whether the text of a token found its room (lex_save() in load.c), and
 * reads and writes beyond what it has when it did not. So it never hears of a failed allocation: it
 * is left by a long jump, and all that it had taken is given back. */

/* Before each block of jansson's; a ring. */
struct block {
    struct block *next, *prev;
};
static_assert(sizeof(struct block) % 16 == 0, "what follows is aligned for anything");

static _Thread_local struct block taken; /* by the load under way */
static _Thread_local jmp_buf *rescue; /* NULL: none is under way */

static void unlink_block(struct block *block)
{
    block->prev->next = block->next;
    block->next->prev = block->prev;
}

static void *alloc(size_t size)
{
    struct block *block = mem_alloc(MEM_IO, sizeof(*block) + size);
    if (!block && rescue)
        longjmp(*rescue, 1);
    if (!block)
        return NULL;
    block->next = block->prev = block;
    if (rescue) {
        block->next = taken.next;
        block->prev = &taken;
        block->next->prev = block;
        taken.next = block;
    }
    return block + 1;
}

static void give_back(void *ptr)
{
    if (!ptr)
        return;
    struct block *block = (struct block *)ptr - 1;
    unlink_block(block);
    mem_free(block);
}

void json_get_own_memory(void)
{
    json_set_alloc_funcs(alloc, give_back);
}

static void give_all_back(void)
{
    while (taken.next != &taken)
        give_back(taken.next + 1);
}

json_t *json_get_all(struct span text, json_error_t *error, int *fault)
{
    jmp_buf here;
    taken.next = taken.prev = &taken;
    if (setjmp(here) != 0) {
        rescue = NULL;
        give_all_back();
        *fault = -ENOMEM;
        return NULL;
    }
    rescue = &here;
    json_t *json =
        json_loadb(text.len > 0 ? (const char *)text.ptr : "", text.len, JSON_ALLOW_NUL, error);
    rescue = NULL;
    unlink_block(&taken); /* the blocks of json stay a ring of their own */
    *fault = json ? 0 : -EINVAL;
    return json;
}
