// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

// liburcu, memory-barrier flavour, as Keel uses it. What the reader pays is inlined here (liburcu's licence allows its
// small functions to be), so this header is for the way of an access alone; docs/decisions/dispatch-table.md says why
// this flavour.
//
// The inlined reader relies on sys_membarrier(2): without it the writer expects a fence from every reader. Where the
// kernel lacks it, has_fast_readers() is false and the callers use the library's own, fencing functions instead.

// A plain thread-local without C++'s lazy initialisation check, which liburcu's C objects do not have.
#include <urcu/tls-compat.h>
#undef URCU_TLS_STORAGE_CLASS
#define URCU_TLS_STORAGE_CLASS __thread
#define CONFIG_RCU_FORCE_SYS_MEMBARRIER 1
#define _LGPL_SOURCE 1
#include <urcu/urcu-memb.h>

#include "src/bus/rcu.h"

namespace keel::detail::rcu {

// The reader for a thread that is not reading yet, which saves liburcu's own look at how deep it is. Returns false,
// having done nothing, where the thread is. Precondition: the thread is registered and has_fast_readers().
inline bool lock_outermost() noexcept {
#ifdef KEEL_TSAN
  // Inlined, liburcu's accesses to its own state would be instrumented, and its ordering is not visible to the tool.
  if (read_depth() != 0) return false;
  read_lock();
#else
  const unsigned long state = urcu_memb_reader.ctr;
  if ((state & URCU_GP_CTR_NEST_MASK) != 0) [[unlikely]]
    return false;
  _urcu_memb_read_lock_update(state);
#endif
  return true;
}

// Ends lock_outermost.
inline void unlock_outermost() noexcept {
#ifdef KEEL_TSAN
  read_unlock();
#else
  _urcu_memb_read_unlock_update_and_wakeup(URCU_GP_COUNT);  // one deep, as is known here
#endif
}

}  // namespace keel::detail::rcu
