// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/acpi/acpi_tables.h"
#include "keel/arch/x86_64/acpi/table.h"
#include "keel/base/check.h"

// Fixed ACPI Description Table, ACPI 6.4, 5.2.9. The fields are in the order of table 5.9.
namespace keel::x86_64 {
namespace {

constexpr std::uint8_t kMajorVersion = 6;
constexpr std::uint8_t kMinorVersion = 3;
constexpr std::size_t kSize = 276;

constexpr std::uint8_t kUnspecifiedProfile = 0;
constexpr std::uint8_t kPm1EventLength = 4;
constexpr std::uint8_t kPm1ControlLength = 2;
constexpr std::uint8_t kPmTimerLength = 4;
constexpr std::uint16_t kNoC2 = 101;   // more than 100 µs means: not supported
constexpr std::uint16_t kNoC3 = 1001;  // more than 1000 µs
constexpr std::uint8_t kRtcCentury = 0x32;
constexpr std::uint8_t kResetValue = 0xfe;  // the i8042's command to pulse the reset line

// IAPC_BOOT_ARCH, 5.2.9.3.
constexpr std::uint16_t kLegacyDevices = 1u << 0;
constexpr std::uint16_t k8042 = 1u << 1;
constexpr std::uint16_t kNoVga = 1u << 2;

// Flags, table 5.10.
constexpr std::uint32_t kWbinvd = 1u << 0;
constexpr std::uint32_t kProcC1 = 1u << 2;
constexpr std::uint32_t kNoFixedPowerButton = 1u << 4;
constexpr std::uint32_t kNoFixedSleepButton = 1u << 5;
constexpr std::uint32_t kNoFixedRtcWake = 1u << 6;
constexpr std::uint32_t kTimerHas32Bits = 1u << 8;
constexpr std::uint32_t kResetRegister = 1u << 10;
constexpr std::uint32_t kHeadless = 1u << 12;

constexpr std::uint64_t kHypervisorVendor = 0x4c45'454b;  // "KEEL"

std::uint16_t boot_architecture(const AcpiConfig& config) {
  const bool has_8042 = config.keyboard_controller == KeyboardController::kPresent;
  return static_cast<std::uint16_t>(kLegacyDevices | kNoVga | (has_8042 ? k8042 : 0));
}

std::uint32_t flags(const AcpiConfig& config) {
  const std::uint32_t button = config.power_button == PowerButton::kFixed ? 0 : kNoFixedPowerButton;
  const std::uint32_t timer = config.fixed_hardware.pm_timer ? kTimerHas32Bits : 0;
  return kWbinvd | kProcC1 | button | timer | kNoFixedSleepButton | kNoFixedRtcWake | kResetRegister | kHeadless;
}

// The fields of ACPI 1.0, which every system reads.
void add_legacy_fields(AcpiTable& table, const AcpiConfig& config, GuestAddress facs, GuestAddress dsdt) {
  const AcpiFixedHardware& hardware = config.fixed_hardware;
  table.add(static_cast<std::uint32_t>(facs.value()));  // FIRMWARE_CTRL
  table.add(static_cast<std::uint32_t>(dsdt.value()));  // DSDT
  table.add_zeros(1);
  table.add(kUnspecifiedProfile);                           // Preferred_PM_Profile
  table.add(static_cast<std::uint16_t>(kAcpiGsi.value()));  // SCI_INT
  table.add_zeros(4 + 4);                                   // SMI_CMD and what to write there: always in ACPI mode
  table.add(std::uint32_t{hardware.pm1_event.value()});     // PM1a_EVT_BLK
  table.add_zeros(4);                                       // PM1b_EVT_BLK
  table.add(std::uint32_t{hardware.pm1_control.value()});   // PM1a_CNT_BLK
  table.add_zeros(4 + 4);                                   // PM1b_CNT_BLK, PM2_CNT_BLK
  table.add(std::uint32_t{hardware.pm_timer ? hardware.pm_timer->value() : std::uint16_t{0}});  // PM_TMR_BLK
  table.add_zeros(4 + 4);                                                                       // GPE0_BLK, GPE1_BLK
  table.add(kPm1EventLength);
  table.add(kPm1ControlLength);
  table.add_zeros(1);  // PM2_CNT_LEN
  table.add(hardware.pm_timer ? kPmTimerLength : std::uint8_t{0});
  table.add_zeros(1 + 1 + 1 + 1);        // GPE0_BLK_LEN, GPE1_BLK_LEN, GPE1_BASE, CST_CNT
  table.add(kNoC2).add(kNoC3);           // P_LVL2_LAT, P_LVL3_LAT
  table.add_zeros(2 + 2 + 1 + 1);        // FLUSH_SIZE, FLUSH_STRIDE, DUTY_OFFSET, DUTY_WIDTH
  table.add_zeros(1 + 1);                // DAY_ALRM, MON_ALRM
  table.add(kRtcCentury);                // CENTURY
  table.add(boot_architecture(config));  // IAPC_BOOT_ARCH
  table.add_zeros(1);
  table.add(flags(config));  // Flags
}

}  // namespace

std::vector<std::uint8_t> make_fadt(const AcpiConfig& config, GuestAddress facs, GuestAddress dsdt) {
  const AcpiFixedHardware& hardware = config.fixed_hardware;
  AcpiTable table("FACP", kMajorVersion);
  add_legacy_fields(table, config, facs, dsdt);
  table.add_port(kKeyboardCommandPort.first(), 1, 1);  // RESET_REG
  table.add(kResetValue);                              // RESET_VALUE
  table.add_zeros(2);                                  // ARM_BOOT_ARCH
  table.add(kMinorVersion);                            // FADT Minor Version
  table.add_zeros(8);                                  // X_FIRMWARE_CTRL, which is for a FACS above 4 GiB
  table.add(dsdt.value());                             // X_DSDT
  table.add_port(hardware.pm1_event, kPm1EventLength, 2).add_no_register();      // X_PM1a_EVT_BLK, X_PM1b_EVT_BLK
  table.add_port(hardware.pm1_control, kPm1ControlLength, 2).add_no_register();  // X_PM1a_CNT_BLK, X_PM1b_CNT_BLK
  table.add_no_register();                                                       // X_PM2_CNT_BLK
  if (hardware.pm_timer) {                                                       // X_PM_TMR_BLK
    table.add_port(*hardware.pm_timer, kPmTimerLength, 4);
  } else {
    table.add_no_register();
  }
  table.add_no_register().add_no_register();  // X_GPE0_BLK, X_GPE1_BLK
  table.add_no_register().add_no_register();  // SLEEP_CONTROL_REG, SLEEP_STATUS_REG
  table.add(kHypervisorVendor);               // Hypervisor Vendor Identity
  std::vector<std::uint8_t> bytes = table.finish();
  check(bytes.size() == kSize, "the FADT's size");
  return bytes;
}

}  // namespace keel::x86_64
