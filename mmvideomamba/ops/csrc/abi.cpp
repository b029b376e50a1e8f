// The library describes its plain C interface.
#include "abi.h"

#include <cstring>

EXPORT(describe)(int64_t* description) {
  const int64_t values[] = {CHUNK,
                            UNIT,
                            sizeof(ConvArgs),
                            sizeof(ScanArgs),
                            sizeof(InnerArgs),
                            sizeof(NormArgs)};
  std::memcpy(description, values, sizeof(values));
  return OK;
}
