#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/device_memory.h"
#include "backend/token_drawer.h"
#include "base/cpu.h"
#include "base/thread_pool.h"
#include "ops/op_schema.h"

namespace halftone {

/// Why a kernel does not take a site; empty when it does.
using Refusal = std::string;

/// One run of one node: concrete shapes, operands, memory (the backend's own, where it has some).
struct KernelRun {
  const OpSite& site;
  std::span<const Operand> inputs;  ///< constants that the kernel keeps itself have present == false
  std::span<const MutableTensorView> outputs;
  std::span<std::byte> workspace;  ///< at least workspace_bytes(site), 64-byte aligned, contents undefined
  ThreadPool& threads;
  /// Elements from one row of the first output to the next where its rows are parts of longer ones
  /// (PreparedKernel::spaces_rows()); 0: they lie side by side.
  int64_t row_step = 0;

  int64_t step_of(int64_t row) const { return row_step > 0 ? row_step : row; }
};

/// A kernel bound to one node: its constants packed the way it reads them. Const after preparation, so
/// sessions may share it.
class PreparedKernel {
 public:
  virtual ~PreparedKernel() = default;
  /// Whether input `i`, a constant, was packed by the kernel, so that the runtime need not hold it.
  virtual bool keeps(size_t i) const { return false; }
  /// Scratch memory for one run at these concrete shapes.
  virtual size_t workspace_bytes(const OpSite& site) const { return 0; }
  /// Bytes of packed constants.
  virtual size_t packed_bytes() const { return 0; }
  /// Whether run() heeds KernelRun::row_step, so that a channels-last output may be made where a Concat wants
  /// it.
  virtual bool spaces_rows() const { return false; }
  /// Of a Concat: whether it leaves alone what was made in its place so.
  virtual bool keeps_rows() const { return false; }
  virtual void run(const KernelRun& run) const = 0;
};

/// One entry of a backend's list.
struct Kernel {
  std::string_view name;  ///< "gemm_int_avx512vnni"
  std::string_view op;    ///< "Gemm"
  Isa isa = Isa::scalar;  ///< skipped where cpu_has(isa) is false
  Refusal (*supports)(const OpSite& site) = nullptr;
  /// Packs the site's constants (SiteInput::constant). Called once; may use the threads.
  std::unique_ptr<PreparedKernel> (*prepare)(const OpSite& site, ThreadPool& threads) = nullptr;
  /// Whether supports() looks at how values are stored; otherwise it is asked only where all are plain.
  bool takes_storage = false;
  /// Whether it looks for wide codes among them too.
  bool takes_wide = false;

  Refusal refusal(const OpSite& site) const;
};

/// A place to run: an ordered list of kernels, best first.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  ///< "cpu"
  virtual std::span<const Kernel> kernels() const = 0;
  /// Whether images are fastest channels-last (Storage::Order), so that plans store them so.
  virtual bool wants_channels_last() const { return true; }
  /// Where values lie; null: in the host's memory.
  virtual DeviceMemory* memory() const { return nullptr; }
  /// Draws from logits in memory() as the host would; null where that must be done on the host.
  virtual std::unique_ptr<TokenDrawer> token_drawer(const SamplingOptions& options,
                                                    int64_t vocabulary) const {
    return nullptr;
  }
  /// Binds one of kernels() to a site that it supports.
  virtual std::unique_ptr<PreparedKernel> prepare(const Kernel& kernel, const OpSite& site,
                                                  ThreadPool& threads) const {
    return kernel.prepare(site, threads);
  }
};

/// Backends that this program registered (its main does, so that the runtime needs to know none of them).
void register_backend(const Backend& backend);
/// Null when there is none of that name.
const Backend* find_backend(std::string_view name);

}  // namespace halftone
