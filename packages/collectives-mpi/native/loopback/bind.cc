// What is preloaded into a launcher of MPI on one host: where it would listen on all addresses of the
// machine, it listens on loopback. Neither Open MPI's mpirun nor Hydra has an option for that, and whoever
// reaches their ports speaks to the job. Programs that the launcher starts are not changed.

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

using Bind = int (*)(int, const sockaddr *, socklen_t);

// Environments that the launcher passes on are without this library.
__attribute__((constructor)) void preload_once() { unsetenv("LD_PRELOAD"); }

template <typename Address> bool read_address(const sockaddr *from, socklen_t size, Address &to) {
  if (size < sizeof(to)) return false;
  std::memcpy(&to, from, sizeof(to));
  return true;
}

} // namespace

extern "C" int bind(int socket, const sockaddr *address, socklen_t size) noexcept {
  static const auto system_bind = reinterpret_cast<Bind>(dlsym(RTLD_NEXT, "bind"));
  const int family = address == nullptr ? AF_UNSPEC : address->sa_family;
  sockaddr_in four;
  if (family == AF_INET && read_address(address, size, four) &&
      four.sin_addr.s_addr == htonl(INADDR_ANY)) {
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return system_bind(socket, reinterpret_cast<const sockaddr *>(&four), sizeof(four));
  }
  sockaddr_in6 six;
  if (family == AF_INET6 && read_address(address, size, six) &&
      IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr)) {
    six.sin6_addr = in6addr_loopback;
    return system_bind(socket, reinterpret_cast<const sockaddr *>(&six), sizeof(six));
  }
  return system_bind(socket, address, size);
}
