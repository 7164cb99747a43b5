# SPDX-License-Identifier: Apache-2.0
require 'json'

# @summary A table as TOML, as KeyMedic's programs read it. What is undef is left out.
Puppet::Functions.create_function(:'keymedic::to_toml') do
  # @param table Names with texts, numbers, booleans, lists of these, or tables of all that.
  # @return [String] the text of the file
  # @example
  #   keymedic::to_toml({ 'name' => 'pc-017', 'labels' => { 'site' => 'berlin' } })
  dispatch :to_toml do
    param 'Hash[String[1], Any]', :table
    return_type 'String'
  end

  def to_toml(table)
    text = +"# Managed by Puppet (module keymedic): changes here are overwritten.\n"
    append(text, table, [])
    text
  end

  def append(text, table, path)
    tables, values = table.compact.partition { |_, value| value.is_a?(Hash) }
    values.each { |name, value| text << "#{key(name)} = #{literal(value)}\n" }
    tables.each do |name, inner|
      next if inner.compact.empty?

      text << "\n[#{[*path, name].map { |part| key(part) }.join('.')}]\n"
      append(text, inner, [*path, name])
    end
  end

  def key(name)
    name.match?(/\A[\w-]+\z/) ? name : literal(name)
  end

  # JSON's texts are TOML's, but for one control character.
  def literal(value)
    value = value.unwrap if value.is_a?(Puppet::Pops::Types::PSensitiveType::Sensitive)
    case value
    when String then JSON.generate(value).gsub("\u007F", '\u007F')
    when Array then "[#{value.map { |item| literal(item) }.join(', ')}]"
    when Numeric, true, false then value.to_s
    else raise Puppet::ParseError, "keymedic::to_toml: #{value.inspect} is no text, number, boolean, list or table"
    end
  end
end
