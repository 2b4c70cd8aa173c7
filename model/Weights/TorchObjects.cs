using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>A Python dict: its pairs in order. Keys are not hashed; a state dict's names are checked once, when all are known.</summary>
internal sealed class PickleDict
{
    public List<KeyValuePair<object?, object?>> Pairs { get; } = [];

    /// <summary>Whether it is a <c>collections.OrderedDict</c>, which may be given attributes.</summary>
    public bool IsOrdered { get; init; }
}

/// <summary>A storage a pickle names: its key, its declared size, and for the old format's views the part of it that is used.</summary>
internal sealed record TorchStorage(string Key, WeightType Type, long TotalBytes, long ViewStart, long ViewBytes);

/// <summary>A tensor as a pickle describes it, held against its storage: a view by offset, extents and strides, in elements.</summary>
internal sealed record TorchTensor(TorchStorage Storage, WeightType Type, long Offset, long[] Extents, long[] Strides, long Count);

/// <summary>
/// The objects a state dict is made of, beyond plain containers: what a pickle may name, call and refer to. All else is refused by its
/// full name before anything happens; there is nothing here that could run code, whatever the pickle asks (source:
/// torch/_weights_only_unpickler.py and torch/_utils.py, of which this is the part that state dicts use).
/// </summary>
internal sealed class TorchObjects(PositionedFile file)
{
    private enum Kind { OrderedDict, Storage, ElementType, Size, RebuildTensor, RebuildTensorV3, RebuildParameter }

    private sealed record Global(Kind Kind, WeightType Type = default);

    private static readonly Dictionary<string, Global> Globals = new()
    {
        ["collections.OrderedDict"] = new(Kind.OrderedDict),
        ["torch.Size"] = new(Kind.Size),
        ["torch._utils._rebuild_tensor"] = new(Kind.RebuildTensor),
        ["torch._utils._rebuild_tensor_v2"] = new(Kind.RebuildTensor),
        ["torch._utils._rebuild_tensor_v3"] = new(Kind.RebuildTensorV3),
        ["torch._utils._rebuild_parameter"] = new(Kind.RebuildParameter),
        ["torch._utils._rebuild_parameter_with_state"] = new(Kind.RebuildParameter),
        ["torch.storage.UntypedStorage"] = new(Kind.Storage, WeightType.U8),
        ["torch.FloatStorage"] = new(Kind.Storage, WeightType.F32),
        ["torch.HalfStorage"] = new(Kind.Storage, WeightType.F16),
        ["torch.BFloat16Storage"] = new(Kind.Storage, WeightType.BF16),
        ["torch.DoubleStorage"] = new(Kind.Storage, WeightType.F64),
        ["torch.LongStorage"] = new(Kind.Storage, WeightType.I64),
        ["torch.IntStorage"] = new(Kind.Storage, WeightType.I32),
        ["torch.ShortStorage"] = new(Kind.Storage, WeightType.I16),
        ["torch.CharStorage"] = new(Kind.Storage, WeightType.I8),
        ["torch.ByteStorage"] = new(Kind.Storage, WeightType.U8),
        ["torch.BoolStorage"] = new(Kind.Storage, WeightType.Bool),
        ["torch.ComplexFloatStorage"] = new(Kind.Storage, WeightType.C64),
        ["torch.float32"] = new(Kind.ElementType, WeightType.F32),
        ["torch.float16"] = new(Kind.ElementType, WeightType.F16),
        ["torch.bfloat16"] = new(Kind.ElementType, WeightType.BF16),
        ["torch.float64"] = new(Kind.ElementType, WeightType.F64),
        ["torch.float8_e4m3fn"] = new(Kind.ElementType, WeightType.F8E4M3),
        ["torch.float8_e5m2"] = new(Kind.ElementType, WeightType.F8E5M2),
        ["torch.float8_e4m3fnuz"] = new(Kind.ElementType, WeightType.F8E4M3Fnuz),
        ["torch.float8_e5m2fnuz"] = new(Kind.ElementType, WeightType.F8E5M2Fnuz),
        ["torch.float8_e8m0fnu"] = new(Kind.ElementType, WeightType.F8E8M0),
        ["torch.uint16"] = new(Kind.ElementType, WeightType.U16),
        ["torch.uint32"] = new(Kind.ElementType, WeightType.U32),
        ["torch.uint64"] = new(Kind.ElementType, WeightType.U64),
    };

    /// <summary>The storages named so far, by key.</summary>
    public Dictionary<string, TorchStorage> Storages { get; } = [];

    /// <summary>What a global name stands for.</summary>
    /// <exception cref="InvalidDataException">It is not a part of state dicts.</exception>
    public object Resolve(string module, string name) =>
        Globals.TryGetValue($"{module}.{name}", out Global? global)
            ? global
            : throw file.Invalid(
                $"refused: its pickle names {PositionedFile.Quote($"{module}.{name}")}, " +
                "which is no part of a state dict, and nothing of it was run; " +
                "where the file is to be trusted, load it in Python and save model.state_dict() alone");

    /// <summary>The result of calling a global.</summary>
    public object Call(object? callee, object?[] arguments) => (callee as Global)?.Kind switch
    {
        Kind.OrderedDict when arguments.Length == 0 => new PickleDict { IsOrdered = true },
        Kind.Size when arguments is [object?[] size] => size,
        Kind.RebuildTensor when arguments is [TorchStorage storage, ..] => Tensor(storage, storage.Type, arguments),
        Kind.RebuildTensorV3 when arguments is [TorchStorage storage, _, _, _, _, _, Global { Kind: Kind.ElementType, Type: var type }, ..]
            => Tensor(storage, type, arguments),
        Kind.RebuildParameter when arguments is [TorchTensor tensor, ..] => tensor,
        _ => throw file.Invalid("has a pickle that calls something with arguments no state dict has"),
    };

    /// <summary>The storage a persistent id names: <c>("storage", type, key, location, elements[, view])</c>.</summary>
    public object Storage(object? id)
    {
        if (id is not object?[] { Length: 5 or 6 } parts ||
            parts is not ["storage", Global { Kind: Kind.Storage } global, string key, string, long elements, ..])
            throw file.Invalid("has a pickle with a reference that names no storage");
        int size = global.Type.Bits() / 8;
        if (elements < 0 || elements > file.Length / size)
            throw file.Invalid($"names a storage {PositionedFile.Quote(key)} that is larger than the file");
        var storage = new TorchStorage(key, global.Type, elements * size, 0, elements * size);
        if (!Storages.TryAdd(key, storage) && Storages[key].TotalBytes != storage.TotalBytes)
            throw file.Invalid($"names the storage {PositionedFile.Quote(key)} with two different sizes");
        if (parts.Length == 5 || parts[5] is null) return storage;
        if (parts[5] is not object?[] view || view is not [_, long start, long length] ||
            start < 0 || length < 0 || start > elements || length > elements - start)
            throw file.Invalid($"has a view that is not within its storage {PositionedFile.Quote(key)}");
        return storage with { ViewStart = start * size, ViewBytes = length * size };
    }

    private TorchTensor Tensor(TorchStorage storage, WeightType type, object?[] arguments)
    {
        if (arguments is not [_, long offset, object?[] sizes, object?[] steps, ..])
            throw file.Invalid("has a pickle with a tensor that is not made of a storage, an offset, a size and a stride");
        long[] extents = Numbers(sizes), strides = Numbers(steps);
        long available = storage.ViewBytes / (type.Bits() / 8);
        if (extents.Length != strides.Length || offset < 0 || offset > available || !WeightTable.TryCount(extents, out long count))
            throw file.Invalid($"has a tensor whose view of storage {PositionedFile.Quote(storage.Key)} makes no sense");
        Int128 last = offset;
        for (int i = 0; i < extents.Length && count > 0; i++)
        {
            last += (Int128)(extents[i] - 1) * strides[i];
            if (last >= available) break;
        }
        if (count > 0 && last >= available)
            throw file.Invalid($"has a tensor that reaches beyond its storage {PositionedFile.Quote(storage.Key)} of {available} elements");
        if (count > available)
            throw file.Invalid($"has a tensor of {count} elements broadcast from {available}; call contiguous() on it before saving");
        return new TorchTensor(storage, type, offset, extents, strides, count);
    }

    private long[] Numbers(object?[] values)
    {
        if (values.Length > WeightEntry.MaxRank) throw file.Invalid($"has a tensor of rank {values.Length}");
        var numbers = new long[values.Length];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = values[i] is long number and >= 0
                ? number
                : throw file.Invalid("has a tensor with an extent or stride that is not an integer from 0 to 2^63-1");
        return numbers;
    }
}
