#include "core/audit_entry.hpp"

#include <utility>

namespace keypool::core {

void PendingAudit::add_row(int level, AuditEntry entry) {
  const bool further = rows_ >= kMostRows;
  if (further && !entries_.empty()) {
    Pending& last = entries_.back();
    if (last.kind == Kind::kFurtherRows && last.level == level &&
        last.entry.action == entry.action) {
      ++last.entry.times;
      return;
    }
  }
  if (further) {
    entry.key_id = 0;
    entry.provider.clear();
    entry.details = R"({"further_rows": true})";
  }
  entries_.push_back({level, std::move(entry), further ? Kind::kFurtherRows : Kind::kRow});
  if (!further) ++rows_;
}

void PendingAudit::release(int level) noexcept {
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->level >= level; ++entry) {
    entry->level = level - 1;
  }
}

void PendingAudit::roll_back(int level) noexcept {
  while (!entries_.empty() && entries_.back().level >= level) {
    if (entries_.back().kind == Kind::kRow) --rows_;
    entries_.pop_back();
  }
}

std::vector<AuditEntry> PendingAudit::take_all() {
  std::vector<AuditEntry> all;
  all.reserve(entries_.size());
  for (Pending& pending : entries_) all.push_back(std::move(pending.entry));
  entries_.clear();
  rows_ = 0;
  return all;
}

}  // namespace keypool::core
