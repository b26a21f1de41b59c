/* SPDX-License-Identifier: MIT */
/* Whatever a sender says to a relay's listener: no crash, no leak, no message that was not whole,
 * and no memory for what was only promised. Input: what it sends; cut in pieces by its first byte.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/relay_client.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUT 100000

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void take(struct sink *sink, const struct msg *msg)
{
    (void)sink;
    check(msg->len > 0 && msg->len <= MAX_INPUT && msg->http.head_len <= msg->len);
    msg_unref(msg);
}

static void check_welcome(const uint8_t *data, size_t size)
{
    struct relay_welcome welcome, again;
    char text[RELAY_HELLO_MAX];
    size_t used;
    if (relay_welcome_get(span_of(data, size), &welcome, &used) != RELAY_FOUND)
        return;
    check(used <= size && used <= RELAY_HELLO_MAX);
    size_t n = relay_welcome_put(text, &welcome);
    check(relay_welcome_get(span_of(text, n), &again, &used) == RELAY_FOUND && used == n);
    check(again.have == welcome.have && again.zstd == welcome.zstd);
}

static void check_hello(const uint8_t *data, size_t size)
{
    struct relay_hello hello, again;
    char text[RELAY_HELLO_MAX];
    size_t used;
    check_welcome(data, size);
    if (relay_hello_get(span_of(data, size), &hello, &used) != RELAY_FOUND)
        return;
    check(used <= size && used <= RELAY_HELLO_MAX + RECORD_SEPARATOR_LEN);
    size_t n = relay_hello_put(text, &hello);
    check(relay_hello_get(span_of(text, n), &again, &used) == RELAY_FOUND && used == n);
    check(again.sender == hello.sender && again.next == hello.next && again.zstd == hello.zstd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct relay_shared *shared;
    static struct books books;
    static struct sink sink = {.put = take};
    if (!shared) {
        check((shared = calloc(1, sizeof(*shared))) != NULL);
        if (relay_pack_is_built())
            check(relay_unpacker_new(&shared->unpacker) == 0);
    }
    if (size < 1 || size > MAX_INPUT)
        return 0;
    size_t piece = data[0] + 1u;
    struct relay_client client;
    int fds[2];
    bool open = true;
    check_hello(data + 1, size - 1);
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    shared->books = &books;
    shared->sink = &sink;
    shared->max_buffered = GIB;
    shared->sessions = NULL; /* most of the time goes there, and only a HELLO needs it */
    if (relay_is_hello(span_of(data + 1, size - 1)))
        check(relay_sessions_new(&shared->sessions, &books, 1000, MIB) == 0);
    int64_t before = mem_used(MEM_IO);
    relay_client_init(&client, fds[0], shared);
    for (size_t at = 1; at < size && open; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        check(send(fds[1], data + at, n, MSG_NOSIGNAL) == (ssize_t)n);
        enum relay_read r = relay_client_read(&client, shared);
        open = r != RELAY_BROKEN && r != RELAY_END;
        if (shared->sessions)
            (void)relay_sessions_progress(shared->sessions);
        open = open && relay_client_answer(&client);
        check(mem_used(MEM_IO) - before <= (int64_t)(8 * size + 128 * KIB));
    }
    close(fds[1]);
    for (int i = 0; i < 3 && open; i++)
        open = relay_client_read(&client, shared) != RELAY_END;
    relay_client_fini(&client, shared);
    check(shared->buffered == 0 && shared->strange == 0);
    relay_sessions_free(shared->sessions);
    return 0;
}
