#include "base/isa_flag.h"

#include <fmt/ranges.h>

#include "base/cpu.h"
#include "base/error.h"

namespace halftone {

void limit_isa_to(const std::string& name) {
  const auto isa = isa_from_name(name);
  if (!isa)
    throw UsageError("--isa {}: no such instruction set; scalar and what this processor has are", name);
  if (!cpu_has(*isa)) {
    std::vector<std::string_view> names;
    for (Isa has : cpu_isas()) names.push_back(isa_name(has));
    throw UnsupportedError("--isa {}: this processor does not have it; it has {}", name,
                           fmt::join(names, ", "));
  }
  limit_isa(*isa);
}

}  // namespace halftone
