#include "fork/fork.h"

#include <cstring>

#include "children.h"
#include "tap.h"

TEST(ForkRefused, "live fork: refused with the words of its obstacles, and no child made") {
  const char* reasons[4];
  if (livefork::Obstacles(reasons, 4) == 0) tap::Skip("nothing is in the way of live fork here");
  HOLDS(strlen(reasons[0]) > 0);
  livefork::ForkRequest request{};
  request.timeout = 1000000000;
  const livefork::ForkResult result = livefork::Fork(request);
  EQUAL(result.pid, -1);
  EQUAL(result.failure.error, ENOTSUP);
  EQUAL(std::string(result.failure.reason), std::string(reasons[0]));
  EQUAL(waitpid(-1, nullptr, WNOHANG), -1);
  HOLDS(!livefork::AwaitQuiescence(0));
  HOLDS(livefork::IdsAdopted());
}
