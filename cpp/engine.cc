#include "engine.h"

namespace engine {
namespace {

constexpr Engine kOwn{2,
                      livefork::Fork,
                      livefork::ReleaseHeld,
                      livefork::AwaitQuiescence,
                      livefork::Obstacles,
                      livefork::IdsAdopted,
                      livefork::AdoptIds,
                      livefork::AdoptCallerId,
                      livefork::BeginChange,
                      livefork::EndChange,
                      livefork::FollowCaller,
                      livefork::ForbidNewPrivileges};

const Engine* current = &kOwn;

}  // namespace

const Engine& Current() {
  return *current;
}

void Adopt(const Engine& others) {
  if (others.version == kOwn.version) current = &others;
}

}  // namespace engine
