#include "base/isa_flag.h"

#include <fmt/ranges.h>

#include "base/cpu.h"
#include "base/error.h"

namespace halftone {

void limit_isa_to(const std::string& name) {
  const auto isa = isa_from_name(name);
  if (!isa || !cpu_has(*isa)) {
    std::vector<std::string_view> names;
    for (Isa has : cpu_isas()) names.push_back(isa_name(has));
    if (!isa)
      throw UsageError("--isa {}: no such instruction set; this processor has {}", name,
                       fmt::join(names, ", "));
    throw UnsupportedError("--isa {}: this processor does not have it; it has {}", name,
                           fmt::join(names, ", "));
  }
  limit_isa(*isa);
}

}  // namespace halftone
