# SPDX-License-Identifier: Apache-2.0

# @summary A time such as `30s`, `15m` or `24h`.
type Keymedic::Duration = Pattern[/\A([0-9]+(s|m|h))+\z/]
