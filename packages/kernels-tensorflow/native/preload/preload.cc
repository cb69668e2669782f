// Loads TensorFlow without the lines that it writes to stderr while it is loaded, before it reads how much it should say.
// What it writes later, such as why it cannot use a GPU, is shown.
#include <dlfcn.h>
#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

namespace {

/** Sends stderr nowhere as long as it lives. */
class Silence {
 public:
  Silence() : kept_(dup(STDERR_FILENO)), nowhere_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {
    if (kept_ >= 0 && nowhere_ >= 0) dup2(nowhere_, STDERR_FILENO);
  }
  ~Silence() {
    if (kept_ >= 0 && nowhere_ >= 0) dup2(kept_, STDERR_FILENO);
    if (kept_ >= 0) close(kept_);
    if (nowhere_ >= 0) close(nowhere_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int kept_;
  int nowhere_;
};

/** preload(): whoever loads the binding then hears why where the library cannot be loaded. */
Napi::Value preload(const Napi::CallbackInfo& info) {
  const Silence silence;
  dlopen(TENSORFLOW_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("preload", Napi::Function::New(env, preload));
  return exports;
}

}  // namespace

NODE_API_MODULE(tessera_preload, init)
