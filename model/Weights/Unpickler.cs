using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Unicode;
using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>
/// A pickle's stack machine (source: CPython Lib/pickle.py, protocols 2 to 5), cut down to what state dicts use. Values are null, bool,
/// long, BigInteger, double, string, byte[], object?[] for a tuple, List for a list, PickleDict, and what <see cref="TorchObjects"/> makes.
/// Opcodes outside this set are refused. Time and memory are bounded by the pickle's length and the number of its operations, whatever
/// lengths and indices it claims; nothing recurses.
/// </summary>
internal ref struct Unpickler(PositionedFile file, TorchObjects objects, ReadOnlySpan<byte> data)
{
    /// <summary>A checkpoint takes about 35 operations for each tensor.</summary>
    private const int MaxOperations = 1 << 21;

    private readonly ReadOnlySpan<byte> _data = data;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _position;

    /// <summary>The number of bytes read: where the next pickle begins.</summary>
    public readonly int Position => _position;

    /// <summary>Runs one pickle to its end and returns its value.</summary>
    public object? Load()
    {
        _stack.Clear();
        _marks.Clear();
        _memo.Clear();
        for (int i = 0; i < MaxOperations; i++)
        {
            byte opcode = Take(1)[0];
            if (opcode == '.') return Pop();
            if (!Scalar(opcode) && !Text(opcode) && !Container(opcode) && !Memo(opcode) && !Object(opcode))
                throw Wrong($"has the opcode 0x{opcode:x2}, which no state dict uses");
        }
        throw Wrong($"has more than {MaxOperations} operations");
    }

    private bool Scalar(byte opcode)
    {
        switch ((char)opcode)
        {
            case 'N': _stack.Add(null); return true;
            case '\x88': _stack.Add(true); return true;
            case '\x89': _stack.Add(false); return true;
            case 'J': _stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); return true;
            case 'K': _stack.Add((long)Take(1)[0]); return true;
            case 'M': _stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); return true;
            case '\x8a': PushLong(new BigInteger(Take(Take(1)[0]))); return true;
            case 'G': _stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); return true;
            default: return false;
        }
    }

    private bool Text(byte opcode)
    {
        switch ((char)opcode)
        {
            case 'X': _stack.Add(String(Take(U32()))); return true;
            case '\x8c' or 'U': _stack.Add(String(Take(Take(1)[0]))); return true;
            case '\x8d': _stack.Add(String(Take(U64()))); return true;
            case 'T': _stack.Add(String(Take(U32()))); return true;
            case 'B': _stack.Add(Take(U32()).ToArray()); return true;
            case 'C': _stack.Add(Take(Take(1)[0]).ToArray()); return true;
            default: return false;
        }
    }

    private bool Container(byte opcode)
    {
        switch ((char)opcode)
        {
            case '(': _marks.Add(_stack.Count); return true;
            case '0': Pop(); return true;
            case ')': _stack.Add(Array.Empty<object?>()); return true;
            case '\x85': _stack.Add(PopMany(1)); return true;
            case '\x86': _stack.Add(PopMany(2)); return true;
            case '\x87': _stack.Add(PopMany(3)); return true;
            case 't': _stack.Add(PopToMark()); return true;
            case ']': _stack.Add(new List<object?>()); return true;
            case 'a': Append(PopMany(1)); return true;
            case 'e': Append(PopToMark()); return true;
            case '}': _stack.Add(new PickleDict()); return true;
            case 's': SetItems(PopMany(2)); return true;
            case 'u': SetItems(PopToMark()); return true;
            default: return false;
        }
    }

    private bool Memo(byte opcode)
    {
        switch ((char)opcode)
        {
            case 'q': _memo[Take(1)[0]] = Top(); return true;
            case 'r': _memo[U32()] = Top(); return true;
            case '\x94': _memo[(uint)_memo.Count] = Top(); return true;
            case 'h': Recall(Take(1)[0]); return true;
            case 'j': Recall(U32()); return true;
            default: return false;
        }
    }

    private bool Object(byte opcode)
    {
        switch ((char)opcode)
        {
            case '\x80':
                if (Take(1)[0] is var protocol and > 5) throw Wrong($"is of protocol {protocol}; up to 5 are known");
                return true;
            case '\x95': // A frame: a hint at how much to read at once.
                if (U64() > (ulong)(_data.Length - _position)) throw Wrong("ends too early: the file is truncated, fetch it again");
                return true;
            case 'c':
                string module = Line();
                _stack.Add(objects.Resolve(module, Line()));
                return true;
            case '\x93':
                if (PopMany(2) is not [string from, string name]) throw Wrong("names a global by something that is not text");
                _stack.Add(objects.Resolve(from, name));
                return true;
            case 'R':
                if (Pop() is not object?[] arguments) throw Wrong("calls something without a tuple of arguments");
                _stack.Add(objects.Call(Pop(), arguments));
                return true;
            case 'b':
                // A state dict carries attributes about module versions; they are no weights.
                if (Pop() is not PickleDict || Top() is not PickleDict { IsOrdered: true })
                    throw Wrong("gives attributes to something that has none");
                return true;
            case 'Q': _stack.Add(objects.Storage(Pop())); return true;
            default: return false;
        }
    }

    private readonly int Floor => _marks.Count > 0 ? _marks[^1] : 0;

    private readonly object? Top() => _stack.Count > Floor ? _stack[^1] : throw Wrong("takes a value where there is none");

    private readonly object? Pop()
    {
        object? value = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private readonly object?[] PopMany(int count)
    {
        if (_stack.Count - Floor < count) throw Wrong("takes a value where there is none");
        object?[] values = [.. _stack[^count..]];
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    private readonly object?[] PopToMark()
    {
        if (_marks.Count == 0) throw Wrong("closes a group it never opened");
        object?[] values = PopMany(_stack.Count - _marks[^1]);
        _marks.RemoveAt(_marks.Count - 1);
        return values;
    }

    private readonly void Append(object?[] values)
    {
        if (Top() is not List<object?> list) throw Wrong("appends to something that is not a list");
        list.AddRange(values);
    }

    private readonly void SetItems(object?[] values)
    {
        if (Top() is not PickleDict dict) throw Wrong("sets items of something that is not a dict");
        if (values.Length % 2 != 0) throw Wrong("has a key without a value");
        for (int i = 0; i < values.Length; i += 2) dict.Pairs.Add(new(values[i], values[i + 1]));
    }

    private readonly void Recall(uint index)
    {
        if (!_memo.TryGetValue(index, out object? value)) throw Wrong($"recalls the value {index}, which it never stored");
        _stack.Add(value);
    }

    private readonly void PushLong(BigInteger value)
    {
        if (value >= long.MinValue && value <= long.MaxValue) _stack.Add((long)value);
        else _stack.Add(value);
    }

    private readonly string String(ReadOnlySpan<byte> bytes) =>
        Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Wrong("has a text that is not UTF-8");

    private string Line()
    {
        int length = _data[_position..].IndexOf((byte)'\n');
        if (length < 0) throw Wrong("ends too early: the file is truncated, fetch it again");
        string line = String(Take((ulong)length));
        _position++;
        return line;
    }

    private uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(_data.Length - _position)) throw Wrong("ends too early: the file is truncated, fetch it again");
        ReadOnlySpan<byte> bytes = _data.Slice(_position, (int)length);
        _position += (int)length;
        return bytes;
    }

    private readonly InvalidDataException Wrong(string fault) => file.Invalid($"has a pickle that, at byte {_position}, {fault}");
}
