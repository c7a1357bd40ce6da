#include "quant/calib/activation_store.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

#include "base/error.h"

namespace halftone {

ActivationPool::ActivationPool(size_t memory_budget, fs::path folder)
    : budget_(memory_budget), folder_(std::move(folder)) {}

ActivationPool::~ActivationPool() {
  if (file_ >= 0) ::close(file_);
}

int64_t ActivationPool::write(std::span<const std::byte> bytes) {
  if (file_ < 0) {
    std::string path = (folder_ / "halftone-activations-XXXXXX").string();
    file_ = ::mkstemp(path.data());
    if (file_ < 0)
      throw ResourceError("{}: no temporary file for activations: {}", folder_.string(),
                          std::strerror(errno));
    ::unlink(path.c_str());  // it lives until it is closed
  }
  int64_t offset = static_cast<int64_t>(file_end_);
  if (const auto place = free_.find(bytes.size()); place != free_.end()) {
    offset = place->second;
    free_.erase(place);
  } else {
    file_end_ += bytes.size();
  }
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::pwrite(file_, bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw ResourceError(
          "{}: activations of {} bytes do not fit the disk: {} (--memory gives them more memory)",
          folder_.string(), bytes.size(), std::strerror(errno));
    done += static_cast<size_t>(count);
  }
  return offset;
}

void ActivationPool::read(int64_t offset, std::span<std::byte> bytes) const {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::pread(file_, bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw ResourceError("activations cannot be read back: {}", std::strerror(errno));
    done += static_cast<size_t>(count);
  }
}

StoredTensor::StoredTensor(std::shared_ptr<ActivationPool> pool, const TensorView& tensor)
    : pool_(std::move(pool)), type_{tensor.dtype, tensor.shape} {
  const size_t bytes = tensor.size_bytes();
  if (pool_->memory_bytes_ + bytes <= pool_->budget_) {
    in_memory_ = Tensor::allocate(tensor.dtype, tensor.shape);
    if (bytes) std::memcpy(in_memory_.mutable_view().data, tensor.data, bytes);
    pool_->memory_bytes_ += bytes;
  } else {
    offset_ = pool_->write(tensor.bytes());
  }
}

StoredTensor::~StoredTensor() {
  if (!in_memory_.empty())
    pool_->memory_bytes_ -= in_memory_.size_bytes();
  else if (offset_ >= 0)
    pool_->free_.emplace(TensorView{type_.dtype, type_.shape, nullptr}.size_bytes(), offset_);
}

Tensor StoredTensor::load() const {
  if (offset_ < 0) return in_memory_;
  Tensor tensor = Tensor::allocate(type_.dtype, type_.shape);
  pool_->read(offset_, tensor.mutable_view().bytes());
  return tensor;
}

ActivationStore::Slot ActivationStore::find(int sample, ValueId value) const {
  const auto& slots = slots_[static_cast<size_t>(sample)];
  if (const auto found = slots.find(value); found != slots.end()) return found->second;
  return base_ ? base_->find(sample, value) : nullptr;
}

std::shared_ptr<ActivationStore> ActivationStore::first(int samples) const {
  auto some = std::make_shared<ActivationStore>(pool_, 0, base_);
  some->slots_.assign(slots_.begin(), slots_.begin() + samples);
  return some;
}

std::shared_ptr<ActivationStore> ActivationStore::without(const std::set<int>& samples) const {
  auto rest = std::make_shared<ActivationStore>(pool_, 0);
  for (size_t s = 0; s < slots_.size(); ++s)
    if (!samples.contains(static_cast<int>(s))) rest->slots_.push_back(slots_[s]);
  return rest;
}

std::vector<ValueId> ActivationStore::own() const {
  std::vector<ValueId> ids;
  if (!slots_.empty())
    for (const auto& [id, slot] : slots_.front()) ids.push_back(id);
  return ids;
}

}  // namespace halftone
