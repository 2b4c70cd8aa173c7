using System.Globalization;
using System.Text;

namespace Dnabert2.Sequences;

/// <summary>What stands in the column INFO of a VCF: <c>KEY=VALUE;KEY;…</c>, of which a key without a value has the value 1.</summary>
internal static class VariantInfo
{
    /// <summary>The value of a key; empty where it is not there, or is <c>.</c>, which stands for nothing.</summary>
    public static ReadOnlySpan<byte> ValueOf(ReadOnlySpan<byte> info, ReadOnlySpan<byte> key)
    {
        while (!info.IsEmpty)
        {
            int end = info.IndexOf((byte)';');
            ReadOnlySpan<byte> entry = end < 0 ? info : info[..end];
            if (entry.StartsWith(key))
            {
                if (entry.Length == key.Length) return "1"u8;
                ReadOnlySpan<byte> value = entry[(key.Length + 1)..];
                if (entry[key.Length] == (byte)'=') return value.SequenceEqual("."u8) ? [] : value;
            }

            if (end < 0) break;
            info = info[(end + 1)..];
        }

        return [];
    }

    /// <summary>The part of a value that is of one allele: where it has as many parts as there are alleles, that one, else all.</summary>
    /// <param name="value">Parts with commas between them.</param>
    /// <param name="allele">Which allele, from 0.</param>
    /// <param name="alleles">The alternative alleles of the line.</param>
    public static ReadOnlySpan<byte> PartOf(ReadOnlySpan<byte> value, int allele, int alleles)
    {
        if (alleles == 1 || value.Count((byte)',') != alleles - 1) return value;
        for (; allele > 0; allele--) value = value[(value.IndexOf((byte)',') + 1)..];
        int end = value.IndexOf((byte)',');
        return end < 0 ? value : value[..end];
    }

    /// <summary>The number of a key for one allele; null where there is none.</summary>
    /// <exception cref="InvalidDataException">What stands there is no whole number.</exception>
    public static long? NumberOf(ReadOnlySpan<byte> info, ReadOnlySpan<byte> key, int allele, int alleles, Faults faults, long line)
    {
        ReadOnlySpan<byte> value = PartOf(ValueOf(info, key), allele, alleles);
        if (value.IsEmpty || value.SequenceEqual("."u8)) return null;
        if (long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)) return number;
        string name = Encoding.ASCII.GetString(key), shown = Faults.Show(Encoding.Latin1.GetString(value));
        throw faults.Line(
            line, $"{name} of the column INFO is '{shown}', and not a whole number", "It counts bases; correct the line or remove it");
    }
}
