// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/bus/rcu.h"

#include <urcu/tls-compat.h>
#undef URCU_TLS_STORAGE_CLASS
#define URCU_TLS_STORAGE_CLASS __thread
#include <urcu/static/urcu-memb.h>
#include <urcu/urcu-memb.h>

#include <new>

#include "src/base/signals_blocked.h"

namespace keel::detail::rcu {

constinit char grace_period_order = 0;

bool has_fast_readers() noexcept {
  return urcu_memb_has_sys_membarrier != 0;
}

bool register_thread() noexcept {
  if (urcu_memb_reader.registered) return false;
  urcu_memb_register_thread();
  return true;
}

void unregister_thread() noexcept {
  urcu_memb_unregister_thread();
}

void read_lock() noexcept {
  urcu_memb_read_lock();
}

void read_unlock() noexcept {
  order_before_grace_period();
  urcu_memb_read_unlock();
}

std::size_t read_depth() noexcept {
  return urcu_memb_reader.ctr & URCU_GP_CTR_NEST_MASK;
}

void synchronize() noexcept {
  urcu_memb_synchronize_rcu();
  order_after_readers();
}

struct Deferred::Node {
  rcu_head head;  // first: liburcu hands its address back
  Deferred* owner;
};

void Deferred::defer() noexcept {
  static_assert(sizeof(Node) == sizeof(node_) && alignof(Node) == alignof(void*));
  Node* node = new (node_) Node{{}, this};
  // liburcu starts its thread at the first call.
  [[maybe_unused]] static const call_rcu_data* const worker = [] {
    const SignalsBlocked blocked;
    return urcu_memb_get_default_call_rcu_data();
  }();
  order_before_grace_period();  // liburcu's queue hands the object to its thread
  urcu_memb_call_rcu(&node->head, [](rcu_head* head) {
    order_after_readers();
    reinterpret_cast<Node*>(head)->owner->run();
  });
}

}  // namespace keel::detail::rcu
