// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/device.h"

#include <algorithm>
#include <limits>

#include "keel/arch/x86_64/acpi/aml.h"
#include "keel/arch/x86_64/memory_map.h"

namespace keel::x86_64 {
namespace {

// Tags of 6.4.2 (small) and 6.4.3 (large), the small ones with the length of what follows.
constexpr std::uint8_t kIoPort = 0x47;
constexpr std::uint8_t kEndTag = 0x79;
constexpr std::uint8_t kMemory32Fixed = 0x86;
constexpr std::uint8_t kExtendedInterrupt = 0x89;
constexpr std::uint8_t kQWordAddressSpace = 0x8a;

constexpr std::uint64_t kMaxPorts = 255;

class ResourceBytes {
 public:
  ResourceBytes& add8(std::uint8_t value) { return add(value, 1); }
  ResourceBytes& add16(std::uint16_t value) { return add(value, 2); }
  ResourceBytes& add32(std::uint32_t value) { return add(value, 4); }
  ResourceBytes& add64(std::uint64_t value) { return add(value, 8); }
  [[nodiscard]] const aml::Bytes& bytes() const { return bytes_; }

 private:
  ResourceBytes& add(std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  aml::Bytes bytes_;
};

// 6.4.2.5.
void encode(ResourceBytes& out, const AcpiPorts& resource) {
  constexpr std::uint8_t kDecodes16Bits = 1;
  constexpr std::uint8_t kAlignment = 1;
  const std::uint16_t first = resource.ports.first().value();
  out.add8(kIoPort).add8(kDecodes16Bits).add16(first).add16(first).add8(kAlignment);
  out.add8(static_cast<std::uint8_t>(resource.ports.size()));
}

// 6.4.3.4 and, beyond 4 GiB, 6.4.3.5.1.
void encode(ResourceBytes& out, const AcpiMemory& resource) {
  constexpr std::uint8_t kReadWrite = 1;
  const MmioRange& range = resource.range;
  if (range.last().value() <= std::numeric_limits<std::uint32_t>::max() && range.size() <= 0xffff'ffff) {
    out.add8(kMemory32Fixed).add16(9).add8(kReadWrite);
    out.add32(static_cast<std::uint32_t>(range.first().value())).add32(static_cast<std::uint32_t>(range.size()));
    return;
  }
  constexpr std::uint8_t kMemoryRange = 0;
  constexpr std::uint8_t kConsumerMinFixedMaxFixed = 1u << 0 | 1u << 2 | 1u << 3;
  out.add8(kQWordAddressSpace).add16(0x2b).add8(kMemoryRange).add8(kConsumerMinFixedMaxFixed).add8(kReadWrite);
  out.add64(0).add64(range.first().value()).add64(range.last().value()).add64(0).add64(range.size());
}

// 6.4.3.6.
void encode(ResourceBytes& out, const AcpiInterrupt& resource) {
  constexpr std::uint8_t kConsumer = 1u << 0;
  std::uint8_t flags = kConsumer;
  if (resource.trigger == InterruptTrigger::kEdge) flags |= 1u << 1;
  if (resource.polarity == InterruptPolarity::kActiveLow) flags |= 1u << 2;
  if (resource.sharing == InterruptSharing::kShared) flags |= 1u << 3;
  out.add8(kExtendedInterrupt).add16(6).add8(flags).add8(1).add32(resource.gsi.value());
}

aml::Bytes resource_template(std::span<const AcpiResource> resources) {
  ResourceBytes out;
  for (const AcpiResource& resource : resources) std::visit([&](const auto& kind) { encode(out, kind); }, resource);
  constexpr std::uint8_t kNoChecksum = 0;
  out.add8(kEndTag).add8(kNoChecksum);
  return aml::buffer(out.bytes());
}

// 6.1.5: an EISA id, or an ACPI id of four characters and four digits.
bool is_hardware_id(std::string_view hid) {
  const auto is_id_character = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return aml::is_eisa_id(hid) || (hid.size() == 8 && std::ranges::all_of(hid, is_id_character));
}

AcpiInterrupt edge(Gsi gsi) {
  return {.gsi = gsi, .trigger = InterruptTrigger::kEdge};
}

}  // namespace

Result<void> check_acpi_device(const AcpiDevice& device) {
  if (!aml::is_name_segment(device.name)) {
    return fail(ErrorCode::kInvalidArgument,
                "ACPI device \"{}\": a name is four of A-Z, 0-9 and _, and starts with no digit", device.name);
  }
  if (!is_hardware_id(device.hid)) {
    return fail(ErrorCode::kInvalidArgument,
                "ACPI device \"{}\": \"{}\" is no hardware id; one is like \"PNP0501\" or \"LNRO0005\"", device.name,
                device.hid);
  }
  for (const AcpiResource& resource : device.resources) {
    const auto* const io = std::get_if<AcpiPorts>(&resource);
    if (io != nullptr && io->ports.size() > kMaxPorts) {
      return fail(ErrorCode::kInvalidArgument, "ACPI device \"{}\": ports {} are {}; one resource holds {}",
                  device.name, io->ports, io->ports.size(), kMaxPorts);
    }
  }
  return {};
}

std::vector<std::uint8_t> encode_acpi_device(const AcpiDevice& device) {
  aml::Bytes terms =
      aml::name("_HID", aml::is_eisa_id(device.hid) ? aml::eisa_id(device.hid) : aml::string(device.hid));
  aml::append(terms, aml::name("_UID", aml::integer(device.uid)));
  if (!device.resources.empty()) aml::append(terms, aml::name("_CRS", resource_template(device.resources)));
  return aml::device(device.name, terms);
}

AcpiDevice acpi_com1() {
  return {.name = "COM1", .hid = "PNP0501", .uid = 1, .resources = {AcpiPorts{kCom1Ports}, edge(kCom1Gsi)}};
}

AcpiDevice acpi_rtc() {
  return {.name = "RTC0", .hid = "PNP0B00", .uid = 0, .resources = {AcpiPorts{kRtcPorts}}};
}

AcpiDevice acpi_keyboard() {
  return {.name = "PS2K",
          .hid = "PNP0303",
          .uid = 0,
          .resources = {AcpiPorts{kKeyboardDataPort}, AcpiPorts{kKeyboardCommandPort}, edge(kKeyboardGsi)}};
}

AcpiDevice acpi_virtio_mmio(unsigned index, MmioRange window, Gsi gsi) {
  return {.name = fmt::format("VR{:02X}", index),
          .hid = "LNRO0005",
          .uid = index,
          .resources = {AcpiMemory{window}, edge(gsi)}};
}

}  // namespace keel::x86_64
