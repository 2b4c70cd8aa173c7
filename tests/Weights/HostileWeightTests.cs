using System.Runtime.InteropServices;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Tests.Weights;

/// <summary>Damaged and hostile files: nothing but the documented exception, and memory and time in proportion to the file.</summary>
[Trait("Category", "Slow")]
public sealed class HostileWeightTests
{
    private static readonly byte[] Six = MemoryMarshal.AsBytes<float>([1, 2, 3, 4, 5, 6]).ToArray();

    private static byte[] StateDict() =>
        new Pickle().Proto().Op('}').Op('q').Raw(0).Op('(').Text("state_dict").Global("collections", "OrderedDict").Op(')').Op('R').Op('(')
            .Text("a.weight").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3])
            .Text("a.bias").Tensor("FloatStorage", "1", 6, 2, [2], [2])
            .Text("tied").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3]).Op('u')
            .Op('}').Text("_metadata").Op('N').Op('s').Op('b')
            .Text("epoch").Op('K').Raw(3).Text("list").Op(']').Op('(').Op('K').Raw(1).Text("x").Op('e').Op('u').Stop();

    private static byte[] Safetensors(TempFolder folder)
    {
        WeightEntry[] entries = [
            new("a", DType.F32, new Shape(2, 3)), new("b", DType.BF16, new Shape(3)), new("c", DType.I32, new Shape(0, 4))];
        using (var writer = new SafetensorsWriter(folder["base"], entries, new Dictionary<string, string> { ["step"] = "1" }))
        {
            writer.Write("a", Six);
            writer.Write("b", Six.AsSpan(0, 6));
            writer.Commit();
        }
        return File.ReadAllBytes(folder["base"]);
    }

    [Theory]
    [InlineData("safetensors", 1)]
    [InlineData("zip", 2)]
    [InlineData("zip64", 3)]
    [InlineData("legacy", 4)]
    [InlineData("pickle", 5)]
    public void A_mutated_file_is_read_or_refused_and_nothing_else(string format, int seed)
    {
        using var folder = new TempFolder();
        var random = new Random(seed);
        byte[] pickle = StateDict();
        byte[] original = format switch
        {
            "safetensors" => Safetensors(folder),
            "legacy" => Pickle.Legacy(pickle, ["1", "0"], Six, Six),
            _ => StoredZip.Make([("a/data.pkl", pickle), ("a/data/0", Six), ("a/data/1", Six)], zip64: format == "zip64"),
        };
        Exercise(folder, original, mustOpen: true, convert: true);
        int refused = 0;
        const int trials = 600;
        for (int trial = 0; trial < trials; trial++)
        {
            // The pickle within a sound archive, or the file as a whole.
            byte[] mutated = format == "pickle"
                ? StoredZip.Make([("a/data.pkl", Mutate(pickle, random, 1)), ("a/data/0", Six), ("a/data/1", Six)])
                : Mutate(original, random, 2);
            if (!Exercise(folder, mutated, mustOpen: false, convert: trial % 50 == 0)) refused++;
        }
        // Were all refused at the door, or none, the mutations would test nothing.
        Assert.InRange(refused, trials / 10, trials - 10);
    }

    private static byte[] Mutate(byte[] original, Random random, int most)
    {
        List<byte> bytes = [.. original];
        for (int n = random.Next(1, most + 1); n > 0 && bytes.Count > 0; n--)
        {
            int at = random.Next(bytes.Count), length = Math.Min(random.Next(1, 9), bytes.Count - at);
            switch (random.Next(7))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, length); break;
                case 3: bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length)); break;
                case 4: bytes.RemoveRange(at, bytes.Count - at); break;
                case 5: // An extreme number.
                    byte fill = random.GetItems<byte>([0, 0x7f, 0x80, 0xff], 1)[0];
                    for (int i = 0; i < length; i++) bytes[at + i] = fill;
                    break;
                default:
                    bytes[at] =
                    (byte)random.GetItems<char>([.. "(.0)}]tueasbRQcqrhjXKMJNG\x85\x86\x87\x88\x89\x8a\x93\x94\x95{\",:9-"], 1)[0]; break;
            }
        }
        return [.. bytes];
    }

    /// <summary>Opens a file and reads all that is in it; false where it is refused.</summary>
    private static bool Exercise(TempFolder folder, byte[] bytes, bool mustOpen, bool convert)
    {
        string path = folder.Write("x", bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            using WeightFile file = WeightFile.Open(path);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.InRange(allocated, 0, 1 << 20);
            foreach (WeightEntry entry in file.Entries)
            {
                Assert.InRange(entry.ByteCount, 0, bytes.Length);
                file.Bytes(entry.Name);
                if (entry.DType is DType.F32 or DType.F16 or DType.BF16 or DType.F64) file.Values(entry.Name);
            }
            if (convert)
            {
                file.SaveAsSafetensors(folder["y"]);
                using WeightFile copy = WeightFile.Open(folder["y"]);
                Assert.Equal(file.Entries.Count(e => e.TiedTo is null), copy.Entries.Count);
            }
            return true;
        }
        catch (InvalidDataException e) when (!mustOpen)
        {
            Assert.StartsWith(path, e.Message);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
            return false;
        }
    }

    [Fact]
    public void A_truncated_file_of_any_format_is_refused()
    {
        using var folder = new TempFolder();
        byte[] pickle = StateDict();
        foreach (byte[] whole in (byte[][])
            [Safetensors(folder), Pickle.Legacy(pickle, ["0", "1"], Six, Six), Pickle.Checkpoint(pickle, Six, Six)])
        {
            for (int length = 0; length < whole.Length; length += 1 + (length % 3)) folder.Refusal(whole.AsSpan(0, length));
        }
    }

    [Fact]
    public void The_old_format_refuses_storages_that_do_not_fit_their_tensors()
    {
        using var folder = new TempFolder();
        byte[] pickle = StateDict();
        Assert.Contains("whose storage it does not hold", folder.Refusal(Pickle.Legacy(pickle, ["0"], Six)));
        Assert.Contains("twice", folder.Refusal(Pickle.Legacy(pickle, ["0", "0"], Six, Six)));
        Assert.Contains("no tensor uses", folder.Refusal(Pickle.Legacy(pickle, ["0", "1", "2"], Six, Six, Six)));
        Assert.Contains("5 elements for the storage '1'", folder.Refusal(Pickle.Legacy(pickle, ["0", "1"], Six, Six[..20], Six)));
        byte[] version = Pickle.Legacy(pickle, ["0", "1"], Six, Six);
        version[19]++;
        Assert.Contains("1001", folder.Refusal(version));
    }

    private static byte[] Bomb(Pickle pickle) => Pickle.Checkpoint(pickle.Stop(), Six);

    private static Pickle W(Pickle pickle) => pickle.Tensor("FloatStorage", "0", 6, 0, [6], [1]);

    [Theory]
    [InlineData("tower", "nested deeper")]
    [InlineData("ring", "nested deeper")]
    [InlineData("self", "nested deeper")]
    [InlineData("doubling", "names of more characters")]
    [InlineData("long names", "names of more characters")]
    [InlineData("wide lists", "too many parts")]
    [InlineData("operations", "operations")]
    [InlineData("memo", "operations")]
    public void A_pickle_built_to_exhaust_time_or_memory_is_refused_within_bounds(string kind, string fault)
    {
        using var folder = new TempFolder();
        var pickle = new Pickle().Proto();
        switch (kind)
        {
            case "tower": // A million lists in each other around one tensor.
                for (int i = 0; i < 300_000; i++) pickle.Op(']');
                W(pickle);
                for (int i = 0; i < 300_000; i++) pickle.Op('a');
                pickle.Op('q').Raw(0).Op('0').Op('}').Text("a").Op('h').Raw(0).Op('s');
                break;
            case "ring": // Two dicts that hold each other, and a tensor in a list.
                pickle.Op('}').Op('q').Raw(0).Text("model").Op('}').Op('q').Raw(1).Text("model").Op('h').Raw(0).Op('s')
                    .Text("l").Op(']');
                W(pickle).Op('a').Op('s').Op('s');
                break;
            case "self":
                pickle.Op('}').Op('q').Raw(0).Text("model").Op('h').Raw(0).Op('s').Text("x").Op(']');
                W(pickle).Op('a').Op('s');
                break;
            case "doubling": // Each list holds the previous one twice: 2^60 paths to one tensor.
                W(pickle).Op('q').Raw(0).Op('0');
                for (int i = 0; i < 60; i++) pickle.Op(']').Op('h').Raw(0).Op('a').Op('h').Raw(0).Op('a').Op('q').Raw(0).Op('0');
                pickle.Op('}').Text("a").Op('h').Raw(0).Op('s').Text("b");
                W(pickle).Op('s');
                break;
            case "long names": // A megabyte of name over and over.
                pickle.Text(new string('x', 1 << 20)).Op('q').Raw(0).Op('0');
                W(pickle).Op('q').Raw(1).Op('0').Op('}').Op('(').Text("w");
                W(pickle);
                for (int i = 0; i < 100_000; i++) pickle.Op('h').Raw(0).Op('h').Raw(1);
                pickle.Op('u');
                break;
            case "wide lists": // A thousand times the same list of 100,000 numbers and one tensor.
                pickle.Op(']').Op('(');
                W(pickle);
                for (int i = 0; i < 100_000; i++) pickle.Op('N');
                pickle.Op('e').Op('q').Raw(0).Op('0').Op('}').Op('(').Text("w");
                W(pickle);
                for (int i = 0; i < 1000; i++) pickle.Text($"{i}").Op('h').Raw(0);
                pickle.Op('u');
                break;
            case "operations":
                pickle.Op('}').Op('(');
                for (int i = 0; i < 3_000_000; i++) pickle.Op(']');
                break;
            case "memo":
                pickle.Op('}');
                for (uint i = 0; i < 3_000_000; i++) pickle.Op('r').U32(i * 1000);
                break;
        }
        byte[] bytes = Bomb(pickle);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(fault, folder.Refusal(bytes));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 400L << 20);
    }
}
