#include "addresses.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace {

constexpr unsigned kLoopback = 1;  // its interface index in every namespace

template <typename Request>
int Ask(int fd, Request& request, uint16_t type, uint16_t flags) {
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  if (send(fd, &request, sizeof request, 0) < 0) return -errno;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[512];
  } answer{};
  return recv(fd, &answer, sizeof answer, 0) < 0 ? -errno : answer.error.error;
}

int SetUp(int fd) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request{};
  request.link.ifi_index = kLoopback;
  request.link.ifi_flags = request.link.ifi_change = 1;  // IFF_UP
  return Ask(fd, request, RTM_NEWLINK, 0);
}

// 127.1.0.0 and on.
int Add(int fd, int n) {
  struct {
    nlmsghdr header;
    ifaddrmsg address;
    rtattr attribute;
    unsigned char bytes[4];
  } request{};
  request.address.ifa_family = AF_INET;
  request.address.ifa_prefixlen = 32;
  request.address.ifa_index = kLoopback;
  request.attribute.rta_len = sizeof(rtattr) + 4;
  request.attribute.rta_type = IFA_LOCAL;
  const unsigned char bytes[4] = {127, 1, static_cast<unsigned char>(n >> 8),
                                  static_cast<unsigned char>(n)};
  for (int i = 0; i < 4; ++i) request.bytes[i] = bytes[i];
  return Ask(fd, request, RTM_NEWADDR, NLM_F_CREATE);
}

}  // namespace

napi_value Addresses(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result;
  int32_t n = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_int32(env, argument, &n);
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int error = fd < 0 ? -errno : SetUp(fd);
  for (int i = 0; i < n && error == 0; ++i) error = Add(fd, i);
  if (fd >= 0) close(fd);
  napi_create_int32(env, error, &result);
  return result;
}
