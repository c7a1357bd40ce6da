#include "backend/cuda/driver/gpu.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <map>
#include <unordered_map>

#include "backend/cuda/driver/cublas_lt.h"
#include "backend/cuda/driver/driver.h"
#include "backend/cuda/driver/modules.h"
#include "base/error.h"

namespace halftone::cuda {
namespace {

/// Rows from which a product by the library, its weights unpacked for it, is taken to be faster than one by
/// Halftone's own kernels. Not measured yet.
constexpr int kLibraryRows = 256;

/// The first driver (CUDA 12.3) that records launches that start early (device/kernel.h).
constexpr int kEarlyStartDriver = 12030;

constexpr size_t kStagingBytes = size_t{16} << 20;

int attribute(CUdevice_attribute which, CUdevice device) {
  int value = 0;
  const Driver& driver = Driver::get();
  driver.check(driver.device_attribute(&value, which, device), "cuDeviceGetAttribute");
  return value;
}

GpuDescription describe(CUdevice device) {
  const Driver& driver = Driver::get();
  GpuDescription description;
  char name[256] = {};
  driver.check(driver.device_name(name, sizeof(name) - 1, device), "cuDeviceGetName");
  description.name = name;
  description.compute = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device) +
                        attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
  description.multiprocessors = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
  driver.check(driver.device_memory(&description.memory_bytes, device), "cuDeviceTotalMem");
  description.shares_host_memory = attribute(CU_DEVICE_ATTRIBUTE_INTEGRATED, device) != 0;
  return description;
}

CUdeviceptr address(const std::byte* at) {
  return reinterpret_cast<CUdeviceptr>(at);
}

/// Page-locked memory that host bytes pass through: two halves, so that one fills while the other is on its
/// way.
class Staging {
 public:
  explicit Staging(const Driver& driver) : driver_(driver) {
    for (Half& half : halves_) {
      driver.check(driver.allocate_pinned(&half.memory, kStagingBytes, 0), "cuMemHostAlloc");
      driver.check(driver.create_event(&half.free, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    }
  }

  void upload(CUdeviceptr to, const std::byte* from, size_t bytes, CUstream stream) {
    for (size_t done = 0; done < bytes; done += kStagingBytes) {
      Half& half = halves_[next_];
      next_ = 1 - next_;
      const size_t part = std::min(kStagingBytes, bytes - done);
      driver_.check(driver_.wait_for_event(half.free), "cuEventSynchronize");
      std::memcpy(half.memory, from + done, part);
      driver_.check(driver_.to_device(to + done, half.memory, part, stream), "cuMemcpyHtoDAsync");
      driver_.check(driver_.record_event(half.free, stream), "cuEventRecord");
    }
  }
  void download(std::byte* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    for (size_t done = 0; done < bytes; done += kStagingBytes) {
      Half& half = halves_[0];
      const size_t part = std::min(kStagingBytes, bytes - done);
      driver_.check(driver_.wait_for_event(half.free), "cuEventSynchronize");
      driver_.check(driver_.to_host(half.memory, from + done, part, stream), "cuMemcpyDtoHAsync");
      driver_.check(driver_.wait_for_stream(stream), "cuStreamSynchronize");
      std::memcpy(to + done, half.memory, part);
    }
  }

 private:
  struct Half {
    void* memory = nullptr;
    CUevent free = nullptr;
  };
  const Driver& driver_;
  Half halves_[2];
  int next_ = 0;
};

class Graph : public DeviceMemory::Recording {
 public:
  Graph(const Driver& driver, CUgraph graph, CUstream stream) : driver_(driver), stream_(stream) {
    const CUresult result = driver.instantiate_graph(&ready_, graph, 0);
    driver.destroy_graph(graph);
    driver.check(result, "cuGraphInstantiate");
  }
  ~Graph() override { driver_.destroy_graph_exec(ready_); }
  void replay() override { driver_.check(driver_.launch_graph(ready_, stream_), "cuGraphLaunch"); }

 private:
  const Driver& driver_;
  CUstream stream_;
  CUgraphExec ready_ = nullptr;
};

/// Opened once a process and never closed: the driver takes its memory back when the process ends.
class Gpu : public Device {
 public:
  Gpu(const Driver& driver, CUdevice device) : driver_(driver) {
    const GpuDescription description = describe(device);
    name_ = description.name;
    shares_host_memory_ = description.shares_host_memory;
    chip_.compute = description.compute;
    chip_.multiprocessors = description.multiprocessors;
    chip_.shared_bytes =
        static_cast<size_t>(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device));
    int version = 0;
    driver.check(driver.driver_version(&version), "cuDriverGetVersion");
    starts_early_ = chip_.compute >= 90 && version >= kEarlyStartDriver;
    driver.check(driver.retain_context(&context_, device), "cuDevicePrimaryCtxRetain");
    driver.check(driver.set_context(context_), "cuCtxSetCurrent");
    driver.check(driver.create_stream(&stream_, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
    staging_ = std::make_unique<Staging>(driver);
  }

  const Chip& chip() const override { return chip_; }

  bool multiplies(int m) override { return m >= library_rows_ && library(); }
  void multiply(const HalfProduct& product) override {
    launch_waiting();
    library()->multiply(product, stream_, library_memory_.get());
  }
  void library_from(int rows) { library_rows_ = rows; }
  /// Empty when there is a library.
  const std::string& library_trouble() {
    library();
    return library_trouble_;
  }

  std::shared_ptr<std::byte> allocate(size_t bytes, std::string_view what) override {
    use();
    if (bytes == 0) bytes = 1;
    const size_t free = driver_free_bytes();
    CUdeviceptr memory = 0;
    const CUresult result =
        shares_host_memory_ || bytes <= free ? driver_.allocate(&memory, bytes) : CUDA_ERROR_OUT_OF_MEMORY;
    if (result == CUDA_ERROR_OUT_OF_MEMORY)
      throw ResourceError("{}: {} needs {} bytes, {} are free", name_, what, bytes, free);
    driver_.check(result, "cuMemAlloc");
    return {reinterpret_cast<std::byte*>(memory), [this](std::byte* p) {
              launch_waiting();
              driver_.set_context(context_);
              driver_.wait_for_stream(stream_);
              driver_.free(address(p));
            }};
  }
  void upload(std::byte* to, const std::byte* from, size_t bytes) override {
    use();
    launch_waiting();
    staging_->upload(address(to), from, bytes, stream_);
  }
  void download(std::byte* to, const std::byte* from, size_t bytes) override {
    use();
    launch_waiting();
    staging_->download(to, address(from), bytes, stream_);
  }
  void wait() override {
    use();
    launch_waiting();
    driver_.check(driver_.wait_for_stream(stream_), "cuStreamSynchronize");
  }

  /// Where the memory is the host's, as on a Jetson, the driver does not count what the page cache would give
  /// back: of a model that was just read that is most of it.
  std::optional<size_t> free_bytes() override {
    if (shares_host_memory_) return std::nullopt;
    return driver_free_bytes();
  }
  std::string description() const override { return name_; }

  std::unique_ptr<Recording> record(const std::function<void()>& work) override {
    use();
    launch_waiting();
    driver_.check(driver_.begin_capture(stream_, CU_STREAM_CAPTURE_MODE_RELAXED), "cuStreamBeginCapture");
    CUgraph graph = nullptr;
    try {
      work();
      launch_waiting();
    } catch (...) {
      forget_waiting();
      driver_.end_capture(stream_, &graph);
      if (graph) driver_.destroy_graph(graph);
      throw;
    }
    driver_.check(driver_.end_capture(stream_, &graph), "cuStreamEndCapture");
    return std::make_unique<Graph>(driver_, graph, stream_);
  }

  void launch_any(const AnyDeviceKernel& kernel, const Launch& launch, const void* args, size_t) override {
    use();
    void* parameters[] = {const_cast<void*>(args)};
    const auto extent = [](int n) { return static_cast<unsigned>(n); };
    CUlaunchAttribute early{};
    early.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    early.value.programmaticStreamSerializationAllowed = 1;
    CUlaunchConfig config{};
    config.gridDimX = extent(launch.blocks.x);
    config.gridDimY = extent(launch.blocks.y);
    config.gridDimZ = extent(launch.blocks.z);
    config.blockDimX = extent(launch.threads);
    config.blockDimY = config.blockDimZ = 1;
    config.sharedMemBytes = static_cast<unsigned>(launch.shared_bytes);
    config.hStream = stream_;
    config.attrs = &early;
    config.numAttrs = starts_early_ ? 1 : 0;
    driver_.check(driver_.launch(&config, function(kernel, launch.shared_bytes), parameters, nullptr),
                  kernel.name);
  }

  float milliseconds(const std::function<void()>& work) {
    use();
    launch_waiting();
    CUevent begin = nullptr, end = nullptr;
    driver_.check(driver_.create_event(&begin, CU_EVENT_DEFAULT), "cuEventCreate");
    driver_.check(driver_.create_event(&end, CU_EVENT_DEFAULT), "cuEventCreate");
    driver_.check(driver_.record_event(begin, stream_), "cuEventRecord");
    work();
    launch_waiting();
    driver_.check(driver_.record_event(end, stream_), "cuEventRecord");
    driver_.check(driver_.wait_for_event(end), "cuEventSynchronize");
    float elapsed = 0;
    driver_.check(driver_.elapsed(&elapsed, begin, end), "cuEventElapsedTime");
    driver_.destroy_event(begin);
    driver_.destroy_event(end);
    return elapsed;
  }

 private:
  struct Function {
    CUfunction handle = nullptr;
    size_t shared_bytes = 48 * 1024;  ///< that it may be launched with
  };

  size_t driver_free_bytes() {
    use();
    size_t free = 0, total = 0;
    driver_.check(driver_.free_memory(&free, &total), "cuMemGetInfo");
    return free;
  }

  /// A context is current for a thread of the host, and any thread may come here.
  void use() { driver_.check(driver_.set_context(context_), "cuCtxSetCurrent"); }

  /// Opened when first asked for; null where there is none.
  CublasLt* library() {
    use();
    if (!library_ && library_trouble_.empty()) {
      library_ = CublasLt::open(library_trouble_);
      if (library_) library_memory_ = allocate(CublasLt::kWorkspaceBytes, "the workspace of cuBLASLt");
    }
    return library_.get();
  }

  CUmodule module(std::string_view name) {
    if (const auto found = modules_.find(name); found != modules_.end()) return found->second;
    for (const DeviceModule* built = kDeviceModules; built->name; ++built) {
      if (built->name != name) continue;
      CUmodule loaded = nullptr;
      const CUresult result = driver_.load_module(&loaded, built->binary);
      if (result == CUDA_ERROR_NO_BINARY_FOR_GPU)
        throw UnsupportedError("{}: this build has no kernels for compute capability {}.{}", name_,
                               chip_.compute / 10, chip_.compute % 10);
      driver_.check(result, "cuModuleLoadData");
      return modules_.emplace(built->name, loaded).first->second;
    }
    throw UnsupportedError("{}: this build has no module {}", name_, name);
  }

  CUfunction function(const AnyDeviceKernel& kernel, size_t shared_bytes) {
    Function& known = functions_[kernel.name];
    if (!known.handle)
      driver_.check(driver_.find_function(&known.handle, module(kernel.module), kernel.name), kernel.name);
    if (shared_bytes > known.shared_bytes) {
      driver_.check(driver_.function_attribute(known.handle, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                               static_cast<int>(shared_bytes)),
                    kernel.name);
      known.shared_bytes = shared_bytes;
    }
    return known.handle;
  }

  const Driver& driver_;
  std::string name_;
  bool shares_host_memory_ = false;
  Chip chip_;
  bool starts_early_ = false;  ///< blocks of a kernel may start before the kernel before it ended
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<CublasLt> library_;
  std::string library_trouble_;
  int library_rows_ = kLibraryRows;
  std::shared_ptr<std::byte> library_memory_;
  std::map<std::string_view, CUmodule> modules_;
  std::unordered_map<const char*, Function> functions_;
};

int count() {
  const Driver& driver = Driver::get();
  int devices = 0;
  if (!driver.trouble.empty() || driver.device_count(&devices) != CUDA_SUCCESS) return 0;
  return devices;
}

}  // namespace

std::string gpu_trouble() {
  if (const Driver& driver = Driver::get(); !driver.trouble.empty()) return driver.trouble;
  return count() == 0 ? "the NVIDIA driver knows no GPU" : "";
}

std::vector<GpuDescription> gpus() {
  std::vector<GpuDescription> all;
  for (int number = 0; number < count(); ++number) {
    CUdevice device = 0;
    Driver::get().check(Driver::get().device_get(&device, number), "cuDeviceGet");
    all.push_back(describe(device));
  }
  return all;
}

Device& open_gpu(int number) {
  static auto& open = *new std::map<int, std::unique_ptr<Gpu>>;  // memory on it may outlive every static
  if (const auto found = open.find(number); found != open.end()) return *found->second;
  if (const std::string trouble = gpu_trouble(); !trouble.empty())
    throw UnsupportedError("CUDA: {}", trouble);
  if (number < 0 || number >= count())
    throw UnsupportedError("CUDA: there is no GPU {}; this machine has {}", number, count());
  CUdevice device = 0;
  const Driver& driver = Driver::get();
  driver.check(driver.device_get(&device, number), "cuDeviceGet");
  return *open.emplace(number, std::make_unique<Gpu>(driver, device)).first->second;
}

const CudaBackend& gpu_backend(int number) {
  static auto& backends = *new std::map<int, CudaBackend>;
  return backends.try_emplace(number, open_gpu(number)).first->second;
}

float gpu_milliseconds(Device& gpu, const std::function<void()>& work) {
  return static_cast<Gpu&>(gpu).milliseconds(work);
}

void gpu_library_from(Device& gpu, int rows) {
  static_cast<Gpu&>(gpu).library_from(rows);
}

std::string gpu_library_trouble(Device& gpu) {
  return static_cast<Gpu&>(gpu).library_trouble();
}

}  // namespace halftone::cuda
