/* SPDX-License-Identifier: MIT */
/* SANITIZED: is this a build with a sanitizer? The leak checker looks into the process with
 * ptrace(2) at its end, so such a build may be traced and dumped. */
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
