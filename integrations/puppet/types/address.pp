# SPDX-License-Identifier: Apache-2.0

# @summary Where a controller listens: `HOST:PORT`, an IPv6 address in brackets.
type Keymedic::Address = Pattern[/\A([^\s:\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}\z/]
