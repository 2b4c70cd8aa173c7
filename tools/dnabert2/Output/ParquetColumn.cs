using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>The type of a column.</summary>
internal enum ParquetType
{
    /// <summary>Text, as UTF-8.</summary>
    Text,

    /// <summary>Whole numbers of 64 bits.</summary>
    Int64,

    /// <summary>Yes or no.</summary>
    Boolean,

    /// <summary>Lists of floats, all of one length.</summary>
    Floats,
}

/// <summary>The values of a column that are not written yet. None of them may be missing.</summary>
internal sealed class ParquetColumn(string name, ParquetType type)
{
    private readonly ArrayBufferWriter<byte> _values = new();
    private readonly List<bool> _answers = [];

    /// <summary>Its name.</summary>
    public string Name => name;

    /// <summary>Its type.</summary>
    public ParquetType Type => type;

    /// <summary>The numbers of a list; 0 where the column has none.</summary>
    public int ListLength { get; private set; }

    /// <summary>Bytes that wait.</summary>
    public int Length => _values.WrittenCount;

    /// <summary>Adds text.</summary>
    public void Add(string value)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        BinaryPrimitives.WriteInt32LittleEndian(_values.GetSpan(4), length);
        _values.Advance(4);
        Encoding.UTF8.GetBytes(value, _values);
    }

    /// <summary>Adds a whole number.</summary>
    public void Add(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_values.GetSpan(8), value);
        _values.Advance(8);
    }

    /// <summary>Adds yes or no.</summary>
    public void Add(bool value) => _answers.Add(value);

    /// <summary>Adds a list, as long as those before.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        ListLength = values.Length;
        _values.Write(MemoryMarshal.AsBytes(values));
    }

    /// <summary>
    /// Writes a data page: the levels that say where lists begin, then the values one after the other (PLAIN), and forgets them.
    /// </summary>
    public byte[] TakePage(int rows)
    {
        var page = new ArrayBufferWriter<byte>(_values.WrittenCount + 64);
        if (type == ParquetType.Floats)
        {
            var levels = new ArrayBufferWriter<byte>();
            for (int row = 0; row < rows; row++)
            {
                // The first number of a row begins a list, the others go on with it.
                Run(levels, 1, 0);
                if (ListLength > 1) Run(levels, ListLength - 1, 1);
            }

            Levels(page, levels);
            levels.ResetWrittenCount();
            Run(levels, (long)rows * ListLength, 1);
            Levels(page, levels);
        }

        for (int i = 0; i < _answers.Count; i += 8)
        {
            int bits = 0;
            for (int bit = 0; bit < 8 && i + bit < _answers.Count; bit++) bits |= _answers[i + bit] ? 1 << bit : 0;
            page.Write([(byte)bits]);
        }

        page.Write(_values.WrittenSpan);
        _values.ResetWrittenCount();
        _answers.Clear();
        return page.WrittenSpan.ToArray();
    }

    /// <summary>A run of one level of one bit, as the hybrid of run lengths and bits has it: twice its length, and the level.</summary>
    private static void Run(ArrayBufferWriter<byte> levels, long length, byte level)
    {
        ulong header = (ulong)length << 1;
        for (; header >= 0x80; header >>= 7) levels.Write([(byte)(header | 0x80)]);
        levels.Write([(byte)header, level]);
    }

    private static void Levels(ArrayBufferWriter<byte> page, ArrayBufferWriter<byte> levels)
    {
        BinaryPrimitives.WriteInt32LittleEndian(page.GetSpan(4), levels.WrittenCount);
        page.Advance(4);
        page.Write(levels.WrittenSpan);
    }
}
