// See units.cc. 0 if all passed.
#pragma once

int RunUnits();
