#include "core/audit_slot.hpp"

#include <mutex>

namespace keypool::core {

namespace {

using State = AuditRecord::State;

bool same_second(Micros a, Micros b) noexcept { return a / kSecond == b / kSecond; }

}  // namespace

// Looks at all places whatever they hold: that is faster than to stop at the right one.
void AuditRecord::count(std::int64_t key_id, Micros at) noexcept {
  ++times;
  if (at > last) last = at;
  if (key_id == 0) return;
  std::size_t place = kKeys;
  for (std::size_t i = kKeys; i-- != 0;) {
    if (key_ids[i] == key_id || key_ids[i] == 0) place = i;
  }
  if (place == kKeys) return;
  key_ids[place] = key_id;
  ++key_times[place];
}

AuditSlot::Noted AuditSlot::note(const AuditCaller& caller, const AuditDeed& deed,
                                 std::int64_t key_id, Micros at, bool single,
                                 Guess& guess) noexcept {
  const std::lock_guard lock(lock_);
  AuditRecord* record = &records_[guess.record];
  const bool fits =
      at < guess.until && record->serial == guess.serial && record->state == State::kOpen;
  if (fits) [[likely]] {
    record->count(key_id, at);
    return Noted::kCounted;
  }
  Noted noted = Noted::kCounted;
  record = find_or_open(caller, deed, at, single, noted);
  if (record != nullptr) {
    record->count(key_id, at);
    if (!single) {
      guess = {record->serial, static_cast<std::uint8_t>(record - records_.data()),
               (at / kSecond + 1) * kSecond};
    }
  } else if (!single) {
    lose(caller, deed);
  }
  return noted;
}

AuditRecord* AuditSlot::find_or_open(const AuditCaller& caller, const AuditDeed& deed, Micros at,
                                     bool single, Noted& noted) noexcept {
  AuditRecord* vacant = nullptr;
  AuditRecord* alike = nullptr;
  for (AuditRecord& record : records_) {
    if (record.state == State::kFree) {
      vacant = &record;
    } else if (!single && record.state == State::kOpen && !record.single && record.deed == deed &&
               record.caller == caller) {
      if (same_second(record.last, at)) return &record;
      alike = &record;
    }
  }
  noted = Noted::kOpened;
  if (vacant == nullptr) {
    if (alike == nullptr) noted = Noted::kNoRoom;
    return alike;
  }
  *vacant = {.state = State::kOpen,
             .single = single,
             .serial = ++last_serial_,
             .caller = caller,
             .deed = deed,
             .first = at,
             .last = at};
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return vacant;
}

void AuditSlot::lose(const AuditCaller& caller, const AuditDeed& deed) noexcept {
  lost_database_ = caller.database;
  if (lost_.picks + lost_.others == 0) in_use_.fetch_add(1, std::memory_order_relaxed);
  const bool is_pick = deed.sqlstate == 0 && deed.action.view() == kPickAction;
  ++(is_pick ? lost_.picks : lost_.others);
}

std::size_t AuditSlot::take(std::uint32_t database, Micros now, bool all, AuditRecord* out,
                            bool& left) noexcept {
  if (is_empty()) return 0;
  const std::lock_guard lock(lock_);
  std::size_t taken = 0;
  for (AuditRecord& record : records_) {
    if (record.state == State::kFree || record.caller.database != database) continue;
    const bool complete = all || record.single || record.last / kSecond < now / kSecond;
    if (!complete) {
      left = true;
      continue;
    }
    record.state = State::kTaken;
    out[taken++] = record;
  }
  return taken;
}

void AuditSlot::settle(std::uint32_t database, bool written) noexcept {
  if (is_empty()) return;
  const std::lock_guard lock(lock_);
  for (AuditRecord& record : records_) {
    if (record.state != State::kTaken || record.caller.database != database) continue;
    record.state = written ? State::kFree : State::kOpen;
    if (written) in_use_.fetch_sub(1, std::memory_order_relaxed);
  }
}

AuditSlot::Lost AuditSlot::take_lost(std::uint32_t database) noexcept {
  if (is_empty()) return {};
  const std::lock_guard lock(lock_);
  if (lost_database_ != database || lost_.picks + lost_.others == 0) return {};
  const Lost lost = lost_;
  lost_ = {};
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  return lost;
}

void AuditSlot::forget(std::uint32_t database) noexcept {
  take_lost(database);
  if (is_empty()) return;
  const std::lock_guard lock(lock_);
  for (AuditRecord& record : records_) {
    if (record.state == State::kFree || record.caller.database != database) continue;
    record.state = State::kFree;
    in_use_.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace keypool::core
