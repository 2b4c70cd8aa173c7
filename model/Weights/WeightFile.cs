using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Dnabert2.Files;
using Engine.Kernels;

namespace Dnabert2.Weights;

/// <summary>
/// A file of named tensors: safetensors, or PyTorch's <c>pytorch_model.bin</c> in its zip or its old form. The content tells which, not
/// the name. Opening reads and checks the table of tensors; values are read on request, tensor by tensor and in pieces, so that loading
/// takes the memory of the destination and little more: of a view with strides, all that it spans. Any number of threads may read at once.
/// </summary>
/// <remarks>
/// <para>A file is hostile until parsed: every length and offset is held against the file before anything is allocated or read, a pickle
/// may name nothing but tensors and containers, and no entry is larger than the storage behind it. All faults of the content are
/// <see cref="InvalidDataException"/>, with the path in the message.</para>
/// <para>Tensors the engine cannot use (integers of 64 bits, ranks above four) are listed as the others, so that strict loading can name
/// them as extra; only reading them as numbers is refused. Empty tensors and scalars are ordinary: 0 and 1 elements.</para>
/// <para>Of a PyTorch file, the state dict is found in the dict or dicts around it: while a dict holds no tensor itself, the value of
/// <c>state_dict</c>, <c>model_state_dict</c>, <c>model</c> or <c>module</c> is looked into where it has tensors, or else the only
/// value that has. What lies beside it (an optimizer's state, counters) is no weight and not listed. Containers within the state dict join
/// their names with dots.</para>
/// <para>Bounds: a header or pickle of 100 or 64 MB, 131,072 tensors with names of 1,024 characters, and together eight times the bytes of
/// the file where views of a PyTorch file overlap. A file that is cut short while it is open is an error of the read that meets it.</para>
/// </remarks>
public sealed class WeightFile : IDisposable
{
    private readonly PositionedFile _file;
    private readonly WeightTable _table;
    private readonly Dictionary<string, WeightEntry> _byName;

    private WeightFile(PositionedFile file, WeightTable table)
    {
        _file = file;
        _table = table;
        _byName = new Dictionary<string, WeightEntry>(table.Entries.Count);
        foreach (WeightEntry entry in table.Entries)
        {
            if (entry.Name.Length > WeightTable.MaxNameChars)
                throw file.Invalid(
                    $"holds a tensor called {PositionedFile.Quote(entry.Name)} of more than {WeightTable.MaxNameChars} characters");
            if (entry.Name.Length == 0 || entry.Name == SafetensorsHeader.MetadataKey)
                throw file.Invalid($"holds a tensor called {PositionedFile.Quote(entry.Name)}, which is no name for a tensor");
            if (!_byName.TryAdd(entry.Name, entry)) throw file.Invalid($"holds two tensors called {PositionedFile.Quote(entry.Name)}");
        }
        Tie(table.Entries);
    }

    /// <summary>The path given to <see cref="Open(string)"/>, or the name given to <see cref="Parse"/>.</summary>
    public string Path => _file.Path;

    /// <summary>The format of the file.</summary>
    public WeightFormat Format => _table.Format;

    /// <summary>The tensors, in the order of their data (safetensors) or of the state dict (PyTorch).</summary>
    public IReadOnlyList<WeightEntry> Entries => _table.Entries;

    /// <summary>The header's <c>__metadata__</c> of a safetensors file; empty for other formats.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _table.Metadata;

    /// <summary>Opens a weight file and reads its table of tensors.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="IOException">The path is a folder, or reading failed.</exception>
    /// <exception cref="InvalidDataException">The file is empty, no regular file, damaged, hostile, or of another kind.</exception>
    public static WeightFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Open((StoredFile)path);
    }

    /// <summary>Reads the table of tensors of a weight file in memory.</summary>
    /// <param name="content">The content, which is not copied: it has to stay as it is until this is disposed.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is empty, damaged, hostile, or of another kind.</exception>
    public static WeightFile Parse(ReadOnlyMemory<byte> content, string name) => Open(new StoredFile(name, content));

    internal static WeightFile Open(StoredFile stored)
    {
        PositionedFile file = PositionedFile.Open(stored);
        try
        {
            return new WeightFile(file, ReadTable(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Finds the tensor of this name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out WeightEntry? entry) => _byName.TryGetValue(name, out entry);

    /// <summary>
    /// Copies a tensor's values, row by row, converted to fp32: exactly from F32, F16 and BF16, to the nearest from F64.
    /// </summary>
    /// <param name="entry">An entry of this file.</param>
    /// <param name="destination">As many elements as the entry's <see cref="WeightEntry.Count"/>.</param>
    /// <exception cref="ArgumentException">The entry is another file's, or the destination is not of its size.</exception>
    /// <exception cref="InvalidDataException">
    /// The tensor is not of a floating-point type the engine reads, or the file became shorter.
    /// </exception>
    public void Read(WeightEntry entry, Span<float> destination)
    {
        CheckOwned(entry);
        if (destination.Length != entry.Count)
            throw new ArgumentException(
                $"tensor {entry.Name} has {entry.Count} elements; the destination has room for {destination.Length}", nameof(destination));
        CheckNumbers(entry);
        if (entry.Count == 0) return;
        int elementBytes = entry.Type.Bits() / 8;
        var reader = new ViewReader(_file, entry);
        while (reader.Next(out ReadOnlySpan<byte> piece))
        {
            FloatValues.ToSingle(entry.Type, piece, destination);
            destination = destination[(piece.Length / elementBytes)..];
        }
    }

    /// <summary>
    /// Hands out a tensor's values, row by row and converted to fp32 as <see cref="Read(WeightEntry, Span{float})"/> does, in pieces:
    /// however large it is, little memory is taken, but for a view with strides.
    /// </summary>
    /// <param name="entry">An entry of this file.</param>
    /// <param name="use">Gets the pieces, one after the other, each valid during the call; none of an empty tensor.</param>
    /// <exception cref="ArgumentException">The entry is another file's.</exception>
    /// <exception cref="InvalidDataException">
    /// The tensor is not of a floating-point type the engine reads, or the file became shorter.
    /// </exception>
    internal void Read(WeightEntry entry, Action<ReadOnlySpan<float>> use)
    {
        CheckOwned(entry);
        CheckNumbers(entry);
        if (entry.Count == 0) return;
        int elementBytes = entry.Type.Bits() / 8;
        float[] values = [];
        var reader = new ViewReader(_file, entry);
        while (reader.Next(out ReadOnlySpan<byte> piece))
        {
            int count = piece.Length / elementBytes;
            // The first piece is the longest.
            if (values.Length == 0) values = new float[count];
            FloatValues.ToSingle(entry.Type, piece, values);
            use(values.AsSpan(0, count));
        }
    }

    /// <summary>Copies a tensor's values, row by row, as little-endian elements of the file's own type, whatever that is.</summary>
    /// <param name="entry">An entry of this file.</param>
    /// <param name="destination">As many bytes as the entry's <see cref="WeightEntry.ByteCount"/>.</param>
    /// <exception cref="ArgumentException">The entry is another file's, or the destination is not of its size.</exception>
    public void ReadRaw(WeightEntry entry, Span<byte> destination)
    {
        CheckOwned(entry);
        if (destination.Length != entry.ByteCount)
            throw new ArgumentException(
                $"tensor {entry.Name} has {entry.ByteCount} bytes; the destination has room for {destination.Length}", nameof(destination));
        if (entry.Count == 0) return;
        var reader = new ViewReader(_file, entry);
        while (reader.Next(out ReadOnlySpan<byte> piece))
        {
            piece.CopyTo(destination);
            destination = destination[piece.Length..];
        }
    }

    /// <summary>
    /// Writes the tensors as a safetensors file, each in its own type or those of floating-point numbers in a given one, atomically (see
    /// <see cref="SafetensorsWriter"/>) and within a few megabytes of memory.
    /// </summary>
    /// <remarks>
    /// safetensors cannot tie names, so of tied ones only the first in ordinal order is written, as Hugging Face's tools do (of the
    /// word embeddings and the decoder weight tied to them, <c>bert.embeddings…</c>); the metadata maps each name left out to the one
    /// that stands for it. Such a file loads where the model ties the two itself: in this engine, by <c>from_pretrained</c>, and by
    /// <c>safetensors.torch.load_model</c>, which refuses a file with both.
    /// </remarks>
    /// <param name="path">The final name.</param>
    /// <param name="dtype">F32, or BF16 (rounded to nearest, ties to even), for tensors of floating-point numbers; null: their own.</param>
    /// <param name="result">The result that the file is one of: it appears with the others, when that is committed.</param>
    /// <param name="cancellation">Ends the writing; what was there before is left.</param>
    /// <exception cref="IOException">The file cannot be written, or the disk is full; what was there before is left.</exception>
    /// <exception cref="InvalidDataException">A number is none, or too large for the given type; the message names its tensor.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void SaveAsSafetensors(string path, DType? dtype = null, ResultFiles? result = null, CancellationToken cancellation = default)
    {
        if (dtype is not (null or DType.F32 or DType.BF16))
            throw new ArgumentException($"numbers are written as F32 or BF16, not as {dtype}");
        var metadata = new Dictionary<string, string>(_table.Metadata);
        foreach (WeightEntry entry in Entries)
            if (entry.TiedTo is { } first) metadata[entry.Name] = first.Name;
        List<WeightEntry> kept = [.. Entries.Where(e => e.TiedTo is null)];
        if (SafetensorsWriter.Header(kept, metadata).Length > SafetensorsHeader.MaxBytes)
            throw _file.Invalid("has names or metadata too long for a safetensors header");
        using var writer = new SafetensorsWriter(
            path, kept.Select(e => Converts(e, dtype) ? new WeightEntry(e.Name, dtype!.Value, e.Shape!.Value) : e), metadata, result);
        byte[] converted = [];
        foreach (WeightEntry entry in kept)
        {
            if (entry.Count == 0) continue;
            var reader = new ViewReader(_file, entry);
            while (reader.Next(out ReadOnlySpan<byte> piece))
            {
                cancellation.ThrowIfCancellationRequested();
                writer.Write(entry.Name, Converts(entry, dtype) ? Convert(entry, piece, dtype!.Value, ref converted) : piece);
            }
        }
        writer.Commit();
    }

    private ReadOnlySpan<byte> Convert(WeightEntry entry, ReadOnlySpan<byte> piece, DType dtype, ref byte[] buffer)
    {
        ReadOnlySpan<byte> converted = FloatValues.Convert(entry.Type, piece, dtype, ref buffer);
        if (FloatValues.AreFinite(dtype, converted)) return converted;
        throw _file.Invalid($"tensor {PositionedFile.Quote(entry.Name)} holds a number that is none, or is too large for {dtype}; "
            + "keep its own type, if the weights are not damaged");
    }

    private static bool Converts(WeightEntry entry, DType? dtype) =>
        dtype is not null && entry.DType != dtype && entry.Shape is not null
        && entry.Type is (WeightType.F32 or WeightType.F16 or WeightType.BF16 or WeightType.F64);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private void CheckNumbers(WeightEntry entry)
    {
        if (entry.Type is not (WeightType.F32 or WeightType.F16 or WeightType.BF16 or WeightType.F64))
            throw _file.Invalid(
                $"tensor {PositionedFile.Quote(entry.Name)} is {entry.TypeName}; only F32, F16, BF16 and F64 are read as numbers");
    }

    private void CheckOwned(WeightEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (!_byName.TryGetValue(entry.Name, out WeightEntry? own) || own != entry)
            throw new ArgumentException($"tensor {entry.Name} is not an entry of {Path}", nameof(entry));
    }

    private static WeightTable ReadTable(PositionedFile file)
    {
        Span<byte> start = stackalloc byte[64];
        start = start[..(int)Math.Min(start.Length, file.Length)];
        file.ReadExactly(0, start);
        // First, because the length before the brace may begin with any byte; in the other formats this byte is never a brace.
        if (start.Length > 8 && start[8] == '{') return SafetensorsHeader.Read(file);
        if (start.StartsWith("PK\x03\x04"u8)) return TorchFile.ReadZip(file);
        if (start[0] == TorchFile.PickleStart) return TorchFile.ReadLegacy(file);
        if (start.StartsWith("version https://git-lfs"u8))
            throw file.Invalid("is a Git LFS pointer, not the weights; run 'git lfs pull' or download the file itself");
        throw file.Invalid("is not a weight file: neither safetensors nor a PyTorch checkpoint begins like this");
    }

    private static void Tie(List<WeightEntry> entries)
    {
        var firsts = new Dictionary<(WeightType, WeightView, string), WeightEntry>(entries.Count);
        foreach (WeightEntry entry in entries.OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            if (entry.Count == 0) continue;
            var key = (entry.Type, entry.View!, string.Join(',', entry.Extents.ToArray()));
            if (firsts.TryGetValue(key, out WeightEntry? first)) entry.TiedTo = first;
            else firsts.Add(key, entry);
        }
    }
}
