#include "fork/objects/sockets.h"

#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "fork/base/procfs.h"

namespace livefork {
namespace {

// The sockets of daemons that getaddrinfo(3) and similar functions use by nsswitch.conf: nscd (also
// unscd), systemd-resolved and -userdbd by varlink, SSSD, nslcd, winbind, avahi (mdns).
constexpr const char* kDaemons[] = {
    "nscd/", "systemd/resolve/", "systemd/userdb/", "nslcd/", "samba/winbindd", "avahi-daemon/",
};

bool Under(const char* path, const char* folder) {
  if (!Skip(path, folder)) return false;
  for (const char* daemon : kDaemons) {
    const char* rest = path;
    if (Skip(rest, daemon)) return true;
  }
  return false;
}

}  // namespace

bool AsksNameServer(const Address& peer) {
  constexpr uint16_t kDomain = 53;
  if (peer.storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(peer.storage).sin_port) == kDomain;
  }
  if (peer.storage.ss_family != AF_INET6) return false;
  return ntohs(reinterpret_cast<const sockaddr_in6&>(peer.storage).sin6_port) == kDomain;
}

bool AsksNameDaemon(const Address& peer) {
  if (peer.storage.ss_family != AF_UNIX) return false;
  char path[sizeof(sockaddr_un::sun_path) + 1] = {};  // the kernel requires no null byte
  const auto& name = reinterpret_cast<const sockaddr_un&>(peer.storage);
  const size_t length = peer.length - offsetof(sockaddr_un, sun_path);
  if (peer.length <= offsetof(sockaddr_un, sun_path) || length >= sizeof path) return false;
  memcpy(path, name.sun_path, length);
  const char* text = path;
  return Under(path, "/run/") || Under(path, "/var/run/") || Skip(text, "/var/lib/sss/pipes/");
}

bool AsksForInterfaces(int fd) {
  if (SocketOption(fd, SO_DOMAIN) != AF_NETLINK) return false;
  if (SocketOption(fd, SO_PROTOCOL) != NETLINK_ROUTE) return false;
  Address name{};
  return NameOf(fd, name) && reinterpret_cast<const sockaddr_nl&>(name.storage).nl_groups == 0;
}

}  // namespace livefork
