// What one JavaScript thread has of TensorFlow: its context, the tensors that it knows by number, its programs, and the
// graph that it writes. Operations are queued, and computed in their order by a thread of TensorFlow.
#pragma once

#include "attribute.h"

namespace tessera {

/** An operation or a function, with its attributes: what `run` runs. */
struct Program {
  std::string operation;
  std::vector<Attribute> attributes;
  int outputs;
};

struct OpenGraph {
  Owned<TF_Graph> graph{TF_NewGraph()};
  std::vector<TF_Output> values;
  std::vector<TF_Operation*> operations;
};

/** How many programs JavaScript may be ahead of TensorFlow: a few steps. What is queued holds its inputs. */
constexpr size_t MAX_AHEAD = 4096;

struct Instance {
  Owned<TFE_Context> context;
  Owned<TFE_Executor> queue;
  std::string device;
  std::vector<Owned<TFE_TensorHandle>> slots;
  std::vector<uint32_t> vacant;
  std::vector<Program> programs;
  std::unique_ptr<OpenGraph> graph;
  double operations = 0;
  size_t ahead = 0;

  /** Starts TensorFlow; `configuration` is a serialized ConfigProto. */
  void open(const void* configuration, size_t bytes) {
    Owned<TFE_ContextOptions> options(TFE_NewContextOptions());
    Status status;
    TFE_ContextOptionsSetConfig(options.get(), configuration, bytes, status);
    status.check();
    TFE_ContextOptionsSetAsync(options.get(), 1);
    context.reset(TFE_NewContext(options.get(), status));
    status.check();
    queue.reset(TFE_ContextGetExecutorForThread(context.get()));
  }

  /** Throws what went wrong, in this call or in what was queued before; what is queued after it is computed again. */
  void check(const Status& status) {
    if (status.isOk()) return;
    TFE_ExecutorClearError(queue.get());
    ahead = 0;
    status.check();
  }

  /** Waits until all that is queued is computed. */
  void wait() {
    Status status;
    TFE_ExecutorWaitForAllPendingNodes(queue.get(), status);
    ahead = 0;
    check(status);
  }

  uint32_t hold(TFE_TensorHandle* handle) {
    Owned<TFE_TensorHandle> owned(handle);
    if (vacant.empty()) {
      slots.push_back(std::move(owned));
      return static_cast<uint32_t>(slots.size() - 1);
    }
    const uint32_t slot = vacant.back();
    vacant.pop_back();
    slots[slot] = std::move(owned);
    return slot;
  }

  TFE_TensorHandle* handle(size_t slot) const {
    if (slot >= slots.size() || !slots[slot]) {
      throw std::invalid_argument("slot " + std::to_string(slot) + " holds no tensor");
    }
    return slots[slot].get();
  }

  OpenGraph& openGraph() const {
    if (!graph) throw std::logic_error("no graph is open");
    return *graph;
  }
};

}  // namespace tessera
