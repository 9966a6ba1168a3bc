// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/cmos_rtc.h"

namespace keel {

using namespace mc146818;

namespace {

bool is_time(std::uint8_t index) {
  switch (index) {
    case kSeconds:
    case kMinutes:
    case kHours:
    case kDayOfWeek:
    case kDayOfMonth:
    case kMonth:
    case kYear:
    case kCentury: return true;
    default: return false;
  }
}

}  // namespace

CmosRtc::CmosRtc(const Clock& clock) noexcept : clock_(clock) {
  ram_[kRegisterA] = kDivider32kHz | kRate1024Hz;
  ram_[kRegisterB] = k24Hours;
}

void CmosRtc::pio_read(PioAddress /*base*/, std::uint16_t offset, std::span<std::uint8_t> data) {
  for (std::uint8_t& byte : data) byte = offset++ == kDataOffset ? read_ram() : 0xff;
}

void CmosRtc::pio_write(PioAddress /*base*/, std::uint16_t offset, std::span<const std::uint8_t> data) {
  for (const std::uint8_t byte : data) {
    if (offset == kIndexOffset) index_ = byte & kIndexMask;
    if (offset == kDataOffset) write_ram(byte);
    ++offset;
  }
}

std::uint8_t CmosRtc::read_ram() {
  if (is_time(index_) && !is_set()) store_time();
  switch (index_) {
    case kRegisterA: return update_in_progress() ? ram_[kRegisterA] | kUpdateInProgress : ram_[kRegisterA];
    case kRegisterC: return 0;
    case kRegisterD: return kValidRamAndTime;
    default: return ram_[index_];
  }
}

void CmosRtc::write_ram(std::uint8_t value) {
  if (is_time(index_) && !is_set()) {
    store_time();
    ram_[index_] = value;
    load_time();
    return;
  }
  switch (index_) {
    case kRegisterA: ram_[kRegisterA] = value & static_cast<std::uint8_t>(~kUpdateInProgress); break;
    case kRegisterB: write_register_b(value); break;
    case kRegisterC:
    case kRegisterD: break;
    default: ram_[index_] = value; break;
  }
}

void CmosRtc::write_register_b(std::uint8_t value) {
  const bool was_set = is_set();
  // The time is frozen in the format it had, and set in the format it then has.
  if (!was_set) store_time();
  ram_[kRegisterB] = value;
  if (was_set && !is_set()) load_time();
}

bool CmosRtc::update_in_progress() const {
  if (is_set()) return false;
  const auto now = clock_.now();
  const auto into_second = now - std::chrono::floor<std::chrono::seconds>(now);
  return into_second >= std::chrono::seconds(1) - kUpdateTime;
}

std::chrono::sys_seconds CmosRtc::time() const {
  return std::chrono::floor<std::chrono::seconds>(clock_.now()) + ahead_of_host_;
}

void CmosRtc::store_time() {
  const std::chrono::sys_seconds now = time();
  const auto today = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(today);
  const std::chrono::hh_mm_ss<std::chrono::seconds> clock(now - today);
  const int year_of_10000 = static_cast<int>(date.year()) % 10'000;
  const auto year = static_cast<unsigned>(year_of_10000 < 0 ? year_of_10000 + 10'000 : year_of_10000);
  ram_[kSeconds] = encode(static_cast<unsigned>(clock.seconds().count()));
  ram_[kMinutes] = encode(static_cast<unsigned>(clock.minutes().count()));
  ram_[kHours] = encode_hours(static_cast<unsigned>(clock.hours().count()));
  ram_[kDayOfWeek] = encode(std::chrono::weekday(today).c_encoding() + 1);
  ram_[kDayOfMonth] = encode(static_cast<unsigned>(date.day()));
  ram_[kMonth] = encode(static_cast<unsigned>(date.month()));
  ram_[kYear] = encode(year % 100);
  ram_[kCentury] = encode(year / 100);
}

// Every byte decodes to 0 to 255, so the year stays below 25777 and nothing here leaves std::chrono's bounds.
void CmosRtc::load_time() {
  const std::chrono::year year(decode(kCentury) * 100 + decode(kYear));
  const std::chrono::year_month month = year / std::chrono::January + std::chrono::months(decode(kMonth) - 1);
  const auto today = std::chrono::sys_days(month / 1) + std::chrono::days(decode(kDayOfMonth) - 1);
  const std::chrono::sys_seconds wanted = today + std::chrono::hours(decode_hours()) +
                                          std::chrono::minutes(decode(kMinutes)) +
                                          std::chrono::seconds(decode(kSeconds));
  ahead_of_host_ += wanted - time();
}

std::uint8_t CmosRtc::encode(unsigned value) const noexcept {
  if ((ram_[kRegisterB] & kBinary) != 0) return static_cast<std::uint8_t>(value);
  return static_cast<std::uint8_t>(value / 10 << 4 | value % 10);
}

int CmosRtc::decode(std::uint8_t index) const noexcept {
  const int value = ram_[index];
  return (ram_[kRegisterB] & kBinary) != 0 ? value : (value >> 4) * 10 + (value & 0x0f);
}

std::uint8_t CmosRtc::encode_hours(unsigned hours) const noexcept {
  if ((ram_[kRegisterB] & k24Hours) != 0) return encode(hours);
  const std::uint8_t hour_of_12 = encode(hours % 12 == 0 ? 12 : hours % 12);
  return hours >= 12 ? hour_of_12 | kPm : hour_of_12;
}

int CmosRtc::decode_hours() const noexcept {
  if ((ram_[kRegisterB] & k24Hours) != 0) return decode(kHours);
  const int value = ram_[kHours] & ~kPm;
  const int hours = (ram_[kRegisterB] & kBinary) != 0 ? value : (value >> 4) * 10 + (value & 0x0f);
  return hours % 12 + ((ram_[kHours] & kPm) != 0 ? 12 : 0);
}

}  // namespace keel
