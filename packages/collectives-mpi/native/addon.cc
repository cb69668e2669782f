// The only file that knows Node. Values are checked on the other side, in src/engine.ts.
#include <napi_glue.h>

#include "engine.h"
#include "survey.h"

using namespace tessera;

namespace {

struct Instance {
  std::unique_ptr<Engine> engine;
  std::vector<std::shared_ptr<Group>> groups;
  std::map<uint32_t, std::shared_ptr<Call>> calls;
  uint32_t nextCall = 0;

  /** A world that was not closed is left as it is: its thread may be stuck in MPI. */
  ~Instance() { static_cast<void>(engine.release()); }

  Engine& running() const {
    if (!engine) throw std::runtime_error("the world is closed");
    return *engine;
  }
};

Instance& instance(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

/**
 * An address, or the memory of a typed array, which JavaScript keeps alive until the call is done.
 */
char* memoryOf(const Napi::Value& value) {
  if (value.IsNumber()) return reinterpret_cast<char*>(static_cast<uintptr_t>(numberOf(value)));
  return arrayMemoryOf(value).data;
}

/** connect(who, limitSeconds, compares): {rank, size, hosts, library} */
Napi::Value connect(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Instance& held = instance(env);
  if (held.engine) throw std::runtime_error("this process is a rank already");
  held.engine = std::make_unique<Engine>(
      Options{textOf(info[0]), numberOf(info[1]), info[2].As<Napi::Boolean>()});
  const WorldFacts& facts = held.engine->facts();
  auto result = Napi::Object::New(env);
  result.Set("rank", facts.rank);
  result.Set("size", facts.size);
  result.Set("hosts", namesOf(env, facts.hosts));
  result.Set("library", facts.library);
  return result;
}

/** survey(): {library, threadLevel} */
Napi::Value survey(const Napi::CallbackInfo& info) {
  const Survey found = tessera::survey();
  auto result = Napi::Object::New(info.Env());
  result.Set("library", found.library);
  result.Set("threadLevel", found.threadLevel);
  return result;
}

/** group(name, ranks): group */
Napi::Value group(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  std::vector<int> ranks;
  eachElement(info[1],
              [&](const Napi::Value& rank) { ranks.push_back(static_cast<int>(indexOf(rank))); });
  held.groups.push_back(held.running().makeGroup(textOf(info[0]), ranks));
  return Napi::Number::New(info.Env(), static_cast<double>(held.groups.size() - 1));
}

/**
 * post(group, kind, storage, op, size, from, to, peer, tag, limitSeconds): call; 0 is no limit of
 * its own
 */
Napi::Value post(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  Engine& engine = held.running();
  Group& group = *held.groups.at(static_cast<size_t>(numberOf(info[0])));
  auto call = std::make_shared<Call>(group);
  call->signature.kind = static_cast<Kind>(numberOf(info[1]));
  call->signature.storage = static_cast<Storage>(numberOf(info[2]));
  call->signature.op = static_cast<Op>(numberOf(info[3]));
  call->signature.size = static_cast<uint64_t>(numberOf(info[4]));
  call->from = memoryOf(info[5]);
  call->to = memoryOf(info[6]);
  call->peer = static_cast<int>(numberOf(info[7]));
  if (call->signature.kind == Kind::broadcast) call->signature.root = call->peer;
  call->tag = static_cast<int>(numberOf(info[8]));
  const double seconds = numberOf(info[9]);
  call->limit =
      seconds > 0
          ? std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))
          : engine.limit();
  held.calls[held.nextCall] = call;
  engine.post(call);
  return Napi::Number::New(info.Env(), held.nextCall++);
}

Call& callOf(const Napi::CallbackInfo& info) {
  return *instance(info.Env()).calls.at(static_cast<uint32_t>(numberOf(info[0])));
}

/** isDone(call) */
Napi::Value isDone(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), callOf(info).done);
}

/** wait(call): the seconds from its posting to its end; the call is then forgotten */
Napi::Value wait(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  Call& call = callOf(info);
  held.running().wait(call);
  const double seconds = std::chrono::duration<double>(call.ended - call.posted).count();
  held.calls.erase(static_cast<uint32_t>(numberOf(info[0])));
  return Napi::Number::New(info.Env(), seconds);
}

/** abort(code): ends the job */
Napi::Value abort(const Napi::CallbackInfo& info) {
  instance(info.Env()).running().abort(static_cast<int>(numberOf(info[0])));
}

/** close(): ends MPI */
Napi::Value close(const Napi::CallbackInfo& info) {
  Instance& held = instance(info.Env());
  held.running().close();
  held.engine.reset();
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance);
  expose<connect>(exports, "connect");
  expose<survey>(exports, "survey");
  expose<group>(exports, "group");
  expose<post>(exports, "post");
  expose<isDone>(exports, "isDone");
  expose<wait>(exports, "wait");
  expose<abort>(exports, "abort");
  expose<close>(exports, "close");
  return exports;
}

}  // namespace

NODE_API_MODULE(tessera_mpi, init)
