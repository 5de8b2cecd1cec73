#include "sys/capabilities.h"

namespace sys {

// FreeBSD knows the superuser by his number alone; its own "capabilities" (capsicum(4)) are rights
// of descriptors and give no privilege.
int HasCapabilities() {
  return 0;
}

}  // namespace sys
