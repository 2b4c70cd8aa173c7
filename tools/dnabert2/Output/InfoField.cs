using System.Buffers;
using System.Globalization;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// A column of the table of variants as a field of the column INFO of a VCF: a value for each alternative allele, <c>.</c> where there is
/// none, and no field where no allele has one.
/// </summary>
/// <param name="column">The column's name.</param>
/// <param name="key">The field's name.</param>
/// <param name="type">Its type, in the words of the VCF specification.</param>
internal sealed class InfoField(string column, string key, string type)
{
    private const int MostOfNumber = 32;

    // The values of the alleles of a record so far, and that of the row.
    private readonly ArrayBufferWriter<byte> _values = new(), _value = new();
    private int _alleles;
    private bool _hasValue;

    /// <summary>The field's name.</summary>
    public string Key => key;

    /// <summary>Sets the value of the row; none where it is empty.</summary>
    public void Set(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return;
        if (type != "String") throw new InvalidOperationException($"the column {column} holds text, and the field {key} is of type {type}");
        // What has a meaning in INFO is written as its code (VCF specification 4.3, 1.2).
        foreach (byte letter in Encoding.UTF8.GetBytes(text.ToString()))
        {
            if (letter > ' ' && !":;=%,"u8.Contains(letter)) _value.Write([letter]);
            else _value.Write(Encoding.ASCII.GetBytes($"%{letter:X2}"));
        }
    }

    /// <summary>Sets the value of the row.</summary>
    public void Set(long value) => Advance(value);

    /// <summary>Sets the value of the row, with the fewest digits that give it back exactly; none where it is no number.</summary>
    public void Set(float value)
    {
        if (float.IsFinite(value)) Advance(value);
    }

    /// <summary>Takes the value of the row for an allele, the values of which before it that had no row are missing.</summary>
    /// <param name="allele">The allele, from 0.</param>
    public void EndRow(int allele)
    {
        Fill(allele);
        _hasValue |= _value.WrittenCount > 0;
        Separate();
        _values.Write(_value.WrittenCount > 0 ? _value.WrittenSpan : "."u8);
        _value.ResetWrittenCount();
        _alleles++;
    }

    /// <summary>Writes the field of a record, behind a semicolon if it is not the first, and begins the next record.</summary>
    /// <param name="info">The fields before it; empty: there are none.</param>
    /// <param name="alleles">How many alternative alleles the record has.</param>
    public void EndRecord(ArrayBufferWriter<byte> info, int alleles)
    {
        // Without an alternative allele there is nothing to have a value.
        if (_hasValue && alleles > 0)
        {
            Fill(alleles);
            if (info.WrittenCount > 0) info.Write(";"u8);
            info.Write(Encoding.ASCII.GetBytes(key));
            info.Write("="u8);
            info.Write(_values.WrittenSpan);
        }

        _values.ResetWrittenCount();
        (_alleles, _hasValue) = (0, false);
    }

    private void Fill(int alleles)
    {
        for (; _alleles < alleles; _alleles++)
        {
            Separate();
            _values.Write("."u8);
        }
    }

    private void Separate()
    {
        if (_alleles > 0) _values.Write(","u8);
    }

    private void Advance<T>(T value)
        where T : IUtf8SpanFormattable
    {
        value.TryFormat(_value.GetSpan(MostOfNumber), out int written, default, CultureInfo.InvariantCulture);
        _value.Advance(written);
    }
}
