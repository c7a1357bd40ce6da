#pragma once

#include <string>

namespace halftone {

/// What --isa NAME asks for: forbids every stronger set of its family. UsageError where there is no such set,
/// UnsupportedError that names what this processor has where it lacks the set.
void limit_isa_to(const std::string& name);

}  // namespace halftone
