#include "runtime/plan_identity.h"

#include <sys/stat.h>

#include "base/cpu.h"
#include "base/error.h"

namespace halftone {
namespace {

/// Constants up to this size stand in the identity; larger ones come from files.
constexpr int64_t kSmall = 4096;

/// Another build has other bytes or another time.
std::string program_text() {
  struct stat info {};
  if (::stat("/proc/self/exe", &info) != 0) return "unknown";
  return fmt::format("{} {} {}.{}", info.st_size, info.st_ino, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

}  // namespace

std::string plan_identity(const Graph& graph, const CompileOptions& options) {
  std::string text = fmt::format("program {}\nbackend {} exact {} as-written {} passes {}\nisa",
                                 program_text(), options.backend ? options.backend->name() : "none",
                                 options.exact, options.as_written, options.run_passes);
  for (Isa isa : cpu_isas())
    if (cpu_has(isa)) text += fmt::format(" {}", isa_name(isa));
  text += "\n" + graph_text(graph);
  for (const Value& value : graph.values()) {
    if (!value.constant || value.type.shape.elements() > kSmall) continue;
    const Tensor tensor = value.constant->load();
    text.append(reinterpret_cast<const char*>(tensor.view().data), tensor.size_bytes());
  }
  return text;
}

}  // namespace halftone
