using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>
/// Finds the state dict in an unpickled value and lists its tensors.
/// <paramref name="places"/> maps a storage's key to its byte in the file.
/// </summary>
internal sealed class StateDict(PositionedFile file, Dictionary<string, long> places)
{
    /// <summary>Of containers in containers; a pickle can build a tower of a million, or a ring.</summary>
    private const int MaxDepth = 64;

    /// <summary>Of values looked at; shared containers can be reached by exponentially many paths.</summary>
    private const int MaxVisits = 1 << 22;

    /// <summary>Of all names together, in characters.</summary>
    private const long MaxNameChars = 1 << 24;

    /// <summary>Where training scripts put the state dict in a checkpoint.</summary>
    private static readonly string[] UsualKeys = ["state_dict", "model_state_dict", "model", "module"];

    /// <summary>Tied weights are views of the same values; views that overlap otherwise may stand for far more than there is.</summary>
    private const long MaxGrowth = 8, FreeBytes = 64 << 20;

    private readonly List<WeightEntry> _entries = [];
    private readonly HashSet<(WeightView View, long Count)> _views = [];
    private readonly Dictionary<object, bool> _holdsTensor = new(ReferenceEqualityComparer.Instance);
    private int _visits;
    private long _nameChars, _bytes;

    /// <summary>The tensors under their full names, in the order of the dict.</summary>
    public List<WeightEntry> Entries(object? value)
    {
        if (value is not PickleDict dict || !HoldsTensor(dict, 0))
            throw file.Invalid("holds no state dict: a dict with tensors was expected; save model.state_dict()");
        for (int depth = 0; Inner(dict) is { } inner; depth++)
        {
            if (depth == MaxDepth) throw TooDeep();
            dict = inner;
        }
        foreach ((object? key, object? item) in dict.Pairs) Add("", key, item, 1);
        return _entries;
    }

    /// <summary>The dict within this one that is the state dict or leads to it; null where this is the one.</summary>
    private PickleDict? Inner(PickleDict dict)
    {
        PickleDict? only = null;
        int candidates = 0, best = UsualKeys.Length;
        foreach ((object? key, object? item) in dict.Pairs)
        {
            if (item is TorchTensor) return null;
            if (!HoldsTensor(item, 1)) continue;
            candidates++;
            int rank = Array.IndexOf(UsualKeys, key as string);
            if (item is PickleDict inner && (rank >= 0 ? rank < best : best == UsualKeys.Length)) only = inner;
            if (item is PickleDict && rank >= 0) best = Math.Min(best, rank);
        }
        return candidates == 1 || best < UsualKeys.Length ? only : null;
    }

    private bool HoldsTensor(object? value, int depth)
    {
        if (value is TorchTensor) return true;
        if (value is not (PickleDict or List<object?> or object?[])) return false;
        if (_holdsTensor.TryGetValue(value, out bool known)) return known;
        if (depth > MaxDepth) throw TooDeep();
        _holdsTensor[value] = false; // A ring ends here.
        bool holds = value switch
        {
            PickleDict dict => dict.Pairs.Exists(pair => HoldsTensor(pair.Value, depth + 1)),
            List<object?> list => list.Exists(item => HoldsTensor(item, depth + 1)),
            _ => Array.Exists((object?[])value, item => HoldsTensor(item, depth + 1)),
        };
        return _holdsTensor[value] = holds;
    }

    /// <summary>Lists the tensors of a value; <paramref name="prefix"/> is the name of what holds it, with its dot.</summary>
    private void Add(string prefix, object? key, object? value, int depth)
    {
        if (++_visits > MaxVisits) throw file.Invalid("has a state dict of too many parts");
        if (!HoldsTensor(value, depth)) return;
        string own = key as string ?? (key as long?)?.ToString()
            ?? throw file.Invalid("has a tensor under a key that is neither text nor a number");
        _nameChars += prefix.Length + own.Length;
        if (depth > MaxDepth) throw TooDeep();
        if (_nameChars > MaxNameChars) throw file.Invalid("has names of more characters than any checkpoint");
        string name = prefix + own, inner = name + ".";
        switch (value)
        {
            case TorchTensor tensor:
                Add(Entry(name, tensor));
                break;
            case PickleDict dict:
                foreach ((object? innerKey, object? item) in dict.Pairs) Add(inner, innerKey, item, depth + 1);
                break;
            case IList<object?> list:
                for (int i = 0; i < list.Count; i++) Add(inner, (long)i, list[i], depth + 1);
                break;
        }
    }

    private void Add(WeightEntry entry)
    {
        if (_entries.Count == WeightTable.MaxTensors) throw file.Invalid($"holds more than {WeightTable.MaxTensors} tensors");
        _entries.Add(entry);
        if (_views.Add((entry.View!, entry.Count))) _bytes += entry.ByteCount;
        if (_bytes > Math.Max(FreeBytes, MaxGrowth * file.Length))
            throw file.Invalid(
                $"has tensors that overlap: together they are more than {MaxGrowth} times the file; call "
                + "contiguous() on them before saving");
    }

    private WeightEntry Entry(string name, TorchTensor tensor)
    {
        long start = places[tensor.Storage.Key] + tensor.Storage.ViewStart + (tensor.Offset * (tensor.Type.Bits() / 8));
        WeightView view = tensor.Count == 0 ? WeightView.Run(start) : WeightView.Strided(start, tensor.Extents, tensor.Strides);
        return new WeightEntry(name, tensor.Type, tensor.Extents, tensor.Count, view);
    }

    private InvalidDataException TooDeep() => file.Invalid($"has containers nested deeper than {MaxDepth}");
}
