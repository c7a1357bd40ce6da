#include "runtime/plan_identity.h"

#include <sys/stat.h>

#include "base/cpu.h"
#include "base/error.h"

namespace halftone {
namespace {

/// Another build has other bytes or another time.
std::string program_text() {
  struct stat info {};
  if (::stat("/proc/self/exe", &info) != 0) return "unknown";
  return fmt::format("{} {} {}.{}", info.st_size, info.st_ino, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

/// What graph_text() and the files leave open: as constants tell it, or digests.
class Contents {
 public:
  Contents(const KeyedHash& hash, ThreadPool& threads) : hash_(hash), threads_(threads) {}

  void add(const Constant& constant) {
    if (const auto told = constant.told_by()) {
      text_ += *told + '\n';
      return;
    }
    if (!constant.chosen_codes()) return add(constant.load());
    const QuantizedTensor::Parts& parts = constant.chosen_codes()->parts();
    for (const Tensor* tensor : {&parts.codes, &parts.scales, &parts.nested.codes, &parts.nested.absmax,
                                 &parts.zeros, &parts.minima, &parts.codebook})
      add(*tensor);
    text_ += fmt::format("offset {}\n", parts.nested.offset);
  }
  const std::string& text() const { return text_; }

 private:
  void add(const Tensor& tensor) {
    if (!tensor.empty()) text_ += digest_text(hash_.in_pieces(tensor.view().bytes(), threads_));
    text_ += '\n';
  }

  const KeyedHash& hash_;
  ThreadPool& threads_;
  std::string text_;
};

}  // namespace

std::string plan_identity(const Graph& graph, const CompileOptions& options, ThreadPool& threads) {
  std::string text = fmt::format("program {}\nbackend {} exact {} as-written {} passes {}\nisa",
                                 program_text(), options.backend ? options.backend->name() : "none",
                                 options.exact, options.as_written, options.run_passes);
  for (Isa isa : cpu_isas())
    if (cpu_has(isa)) text += fmt::format(" {}", isa_name(isa));
  Contents contents(options.cache->hash(), threads);
  for (const Value& value : graph.values())
    if (value.constant) contents.add(*value.constant);
  return text + "\n" + graph_text(graph) + contents.text();
}

}  // namespace halftone
