using Conformance.Cases;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Tests.Weights;

public sealed class TorchFileTests
{
    private static readonly byte[] Six = [.. Enumerable.Range(1, 6).SelectMany(i => BitConverter.GetBytes((float)i))];

    private static readonly (string, byte[])[] SmallEntries = [("a/data.pkl", Pickle.Small()), ("a/data/0", Six)];

    private static WeightFile Open(TempFolder folder, Pickle pickle, params byte[][] storages) =>
        WeightFile.Open(folder.Write("x", Pickle.Checkpoint(pickle.Stop(), storages)));

    private static Pickle Dict() => new Pickle().Proto().Op('}').Op('(');

    [Fact]
    public void A_checkpoint_with_zip64_records_or_a_comment_or_without_a_root_folder_is_read()
    {
        using var folder = new TempFolder();
        byte[] commented = [.. StoredZip.Make(SmallEntries), .. "PK comment"u8];
        commented[^12] = 10;
        foreach (byte[] bytes in (byte[][])
            [
                StoredZip.Make(SmallEntries), StoredZip.Make(SmallEntries, zip64: true), commented,
                StoredZip.Make([("data.pkl", Pickle.Small()), ("data/0", Six), ("byteorder", "little"u8.ToArray())]),
            ])
        {
            using WeightFile file = WeightFile.Open(folder.Write("x", bytes));
            Assert.Equal([1, 2, 3, 4, 5, 6], file.Values("w"));
            Assert.Equal(new Shape(2, 3), file.Entries[0].Shape);
        }
    }

    [Theory]
    [InlineData("posix", "system")]
    [InlineData("os", "system")]
    [InlineData("nt", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("builtins", "getattr")]
    [InlineData("__builtin__", "exec")]
    [InlineData("subprocess", "Popen")]
    [InlineData("runpy", "_run_code")]
    [InlineData("torch", "load")]
    [InlineData("torch.hub", "load")]
    [InlineData("torch.jit", "load")]
    [InlineData("torch._utils", "_rebuild_sparse_tensor")]
    [InlineData("collections.OrderedDict", "fromkeys")]
    [InlineData("collections", "OrderedDict.fromkeys")]
    [InlineData("Torch", "FloatStorage")]
    [InlineData("numpy.core.multiarray", "_reconstruct")]
    [InlineData("transformers.models.bert.modeling_bert", "BertModel")]
    public void Anything_but_tensors_and_containers_is_refused_by_its_full_name_and_not_run(string module, string name)
    {
        using var folder = new TempFolder();
        string ran = folder["ran"];
        Pickle[] calls =
        [
            Dict().Text("a").Global(module, name).Op('(').Text($"touch '{ran}'").Op('t').Op('R').Op('u'),
            Dict().Text("a").Text(module).Text(name).Raw(0x93).Op('(').Text($"touch '{ran}'").Op('t').Op('R').Op('u'),
            Dict().Text("a").Global(module, name).Op(')').Raw(0x81).Op('u'),
            new Pickle().Proto().Global(module, name), // Named, never called.
        ];
        foreach (Pickle call in calls)
        {
            Assert.Contains($"'{module}.{name}'", folder.Refusal(Pickle.Checkpoint(call.Stop(), Six)));
            Assert.False(System.IO.File.Exists(ran));
        }
    }

    [Fact]
    public void Every_storage_type_is_listed_under_its_safetensors_name()
    {
        using var folder = new TempFolder();
        (string Storage, string Type, int Size)[] types =
        [
            ("FloatStorage", "F32", 4), ("HalfStorage", "F16", 2), ("BFloat16Storage", "BF16", 2), ("DoubleStorage", "F64", 8),
            ("LongStorage", "I64", 8),
            ("IntStorage", "I32", 4), ("ShortStorage", "I16", 2), ("CharStorage", "I8", 1), ("ByteStorage", "U8", 1),
            ("BoolStorage", "BOOL", 1),
            ("ComplexFloatStorage", "C64", 8),
        ];
        Pickle pickle = Dict();
        for (int i = 0; i < types.Length; i++) pickle.Text(types[i].Storage).Tensor(types[i].Storage, $"{i}", 2, 0, [2], [1]);
        using WeightFile file = Open(folder, pickle.Op('u'), [.. types.Select(t => new byte[2 * t.Size])]);
        Assert.Equal(types.Select(t => t.Type), file.Entries.Select(e => e.TypeName));
        Assert.Equal(types.Select(t => 2L * t.Size), file.Entries.Select(e => e.ByteCount));
    }

    [Fact]
    public void Parameters_untyped_storages_and_protocol_4_are_understood()
    {
        using var folder = new TempFolder();
        // A parameter around a tensor; then _rebuild_tensor_v3 on an untyped storage; framed, memoized, with STACK_GLOBAL.
        Pickle pickle = new Pickle().Proto(4).Raw(0x95, 1, 0, 0, 0, 0, 0, 0, 0).Op('}').Raw(0x94).Op('(');
        pickle.Text("p").Text("torch._utils").Text("_rebuild_parameter").Raw(0x93).Op('(').Tensor("FloatStorage", "0", 6, 1, [2], [2])
            .Raw(0x88).Op('N').Op('t').Op('R');
        pickle.Text("q").Text("torch._utils").Raw(0x94).Text("_rebuild_tensor_v3").Raw(0x93).Op('(')
            .Op('(').Text("storage").Global("torch.storage", "UntypedStorage").Text("1").Text("cpu").Long(4).Op('t').Op('Q')
            .Long(1).Numbers(1).Numbers(1).Raw(0x89).Op('N').Global("torch", "uint16").Op('t').Op('R');
        using WeightFile file = Open(folder, pickle.Op('u'), Six, [1, 2, 3, 4]);
        Assert.Equal([2, 4], file.Values("p"));
        Assert.Equal("U16", file.Entries[1].TypeName);
        Assert.Equal([3, 4], file.Bytes("q"));
    }

    [Fact]
    public void A_view_gathers_the_elements_that_its_offset_and_strides_name()
    {
        using var folder = new TempFolder();
        var random = new Random(5);
        for (int trial = 0; trial < 300; trial++)
        {
            (string storage, int size) =
                random.GetItems<(string, int)>([("FloatStorage", 4), ("HalfStorage", 2), ("DoubleStorage", 8), ("ByteStorage", 1)], 1)[0];
            int rank = random.Next(0, 6);
            long[] extents = [.. Enumerable.Range(0, rank).Select(_ => (long)random.Next(1, trial % 10 == 0 ? 9 : 5))];
            long[] strides = [.. extents.Select(_ => (long)random.Next(0, 40))];
            if (trial % 3 == 0) // A permuted contiguous tensor, the common case.
            {
                int[] order = [.. Enumerable.Range(0, rank)];
                random.Shuffle(order);
                long stride = 1;
                foreach (int d in order) (strides[d], stride) = (stride, stride * extents[d]);
            }
            long count = extents.Aggregate(1L, (n, e) => n * e), offset = random.Next(5);
            long elements = Math.Max(count, offset + 1 + extents.Zip(strides, (e, s) => (e - 1) * s).Sum());
            byte[] data = new byte[elements * size];
            random.NextBytes(data);
            using WeightFile file = Open(folder, Dict().Text("w").Tensor(storage, "0", elements, offset, extents, strides).Op('u'), data);

            var expected = new List<byte>();
            for (long i = 0; i < count; i++)
            {
                long at = offset;
                for (long d = rank - 1, rest = i; d >= 0; rest /= extents[d--]) at += rest % extents[d] * strides[d];
                expected.AddRange(data.AsSpan((int)at * size, size));
            }
            Assert.Equal(expected, file.Bytes("w"));
            if (size == 1) continue;
            float[] values = [.. Enumerable.Range(0, (int)count).Select(i => size switch
            {
                2 => (float)BitConverter.ToHalf([.. expected], i * 2),
                4 => BitConverter.ToSingle([.. expected], i * 4),
                _ => (float)BitConverter.ToDouble([.. expected], i * 8),
            })];
            Assert.Equal(values, file.Values("w"));
        }
    }

    [Fact]
    public void A_strided_tensor_larger_than_the_gathering_buffer_is_read_whole()
    {
        using var folder = new TempFolder();
        const int rows = 301, columns = 499; // 600 KB, cut at odd places.
        byte[] data = new byte[rows * columns * 4];
        for (int i = 0; i < rows * columns; i++) BitConverter.TryWriteBytes(data.AsSpan(i * 4), (float)i);
        using WeightFile file =
            Open(folder, Dict().Text("t").Tensor("FloatStorage", "0", rows * columns, 0, [columns, rows], [1, columns]).Op('u'), data);
        float[] transposed = file.Values("t");
        for (int i = 0; i < transposed.Length; i++) Assert.Equal((i % rows * columns) + (i / rows), transposed[i]);
    }

    [Fact]
    public void Many_threads_read_one_file_at_once()
    {
        using var folder = new TempFolder();
        byte[] data = [.. Enumerable.Range(0, 60_000).SelectMany(i => BitConverter.GetBytes((float)i))];
        Pickle pickle = Dict();
        for (int i = 0; i < 40; i++)
            pickle.Text($"{i}").Tensor("FloatStorage", "0", 60_000, i, [200, 100], i % 2 == 0 ? [100, 1] : [1, 200]);
        using WeightFile file = Open(folder, pickle.Op('u'), data);
        Parallel.For(0, 400, n =>
        {
            int i = n % 40;
            float[] values = file.Values($"{i}");
            for (int k = 0; k < values.Length; k++) Assert.Equal(i + (i % 2 == 0 ? k : (k / 100) + (k % 100 * 200)), values[k]);
        });
    }

    [Theory]
    [InlineData(6, 0, new long[] { 7 }, new long[] { 1 }, "reaches beyond")]
    [InlineData(6, 1, new long[] { 6 }, new long[] { 1 }, "reaches beyond")]
    [InlineData(6, 0, new long[] { 2, 3 }, new long[] { 4, 1 }, "reaches beyond")]
    [InlineData(6, 0, new long[] { 2 }, new long[] { long.MaxValue }, "reaches beyond")]
    [InlineData(6, 0, new long[] { 3, 3, 3 }, new long[] { long.MaxValue, long.MaxValue, long.MaxValue }, "reaches beyond")]
    [InlineData(6, 0, new long[] { long.MaxValue, 2 }, new long[] { 0, 1 }, "makes no sense")]
    [InlineData(6, 0, new long[] { 1L << 40 }, new long[] { 0 }, "broadcast")]
    [InlineData(6, 0, new long[] { 7 }, new long[] { 0 }, "broadcast")]
    [InlineData(6, -1, new long[] { 1 }, new long[] { 1 }, "makes no sense")]
    [InlineData(6, long.MaxValue, new long[] { 1 }, new long[] { 1 }, "makes no sense")]
    [InlineData(6, 7, new long[] { 0 }, new long[] { 1 }, "makes no sense")]
    [InlineData(6, 0, new long[] { 2, 3 }, new long[] { 1 }, "makes no sense")]
    [InlineData(6, 0, new long[] { -1 }, new long[] { 1 }, "not an integer from 0")]
    [InlineData(6, 5, new long[] { 6 }, new long[] { -1 }, "not an integer from 0")]
    [InlineData(1L << 40, 0, new long[] { 6 }, new long[] { 1 }, "larger than the file")]
    [InlineData(-1, 0, new long[] { 6 }, new long[] { 1 }, "larger than the file")]
    [InlineData(5, 0, new long[] { 5 }, new long[] { 1 }, "should have 20")]
    public void A_view_outside_its_storage_is_refused(long elements, long offset, long[] extents, long[] strides, string fault)
    {
        using var folder = new TempFolder();
        byte[] bytes = Pickle.Checkpoint(
            Dict().Text("w").Tensor("FloatStorage", "0", elements, offset, extents, strides).Op('u').Stop(), Six);
        Assert.Contains(fault, folder.Refusal(bytes));
    }

    [Fact]
    public void Names_come_from_the_state_dict_wherever_it_lies()
    {
        using var folder = new TempFolder();
        static Pickle W(Pickle pickle, string name) => pickle.Text(name).Tensor("FloatStorage", "0", 6, 0, [6], [1]);
        static Pickle Inner(Pickle pickle, string key, params string[] names)
        {
            pickle.Text(key).Op('}').Op('(');
            foreach (string name in names) W(pickle, name);
            return pickle.Op('u');
        }

        // The only dict with tensors, two levels down, beside things without.
        Check(Inner(Dict().Text("epoch").Long(3).Text("log").Op(']').Text("outer").Op('}').Op('('), "inner", "a", "b").Op('u')
            .Op('u'), "a", "b");
        // A usual key, beside an optimizer's tensors; the earlier in the list of usual keys where there are two.
        Check(Inner(Inner(Dict(), "optimizer", "exp_avg"), "model", "a").Op('u'), "a");
        Check(Inner(Inner(Inner(Dict(), "model", "m"), "state_dict", "s"), "other", "o").Op('u'), "s");
        // No way to tell: all, with joined names.
        Check(Inner(Inner(Dict(), "encoder", "a"), "decoder", "a").Op('u'), "encoder.a", "decoder.a");
        // Tensors of its own: this is the state dict, whatever lies deeper.
        Check(Inner(W(Dict(), "a"), "model", "b").Text("list").Op(']').Op('(').Long(1).Tensor("FloatStorage", "0", 6, 0, [1], [1]).Op('e')
            .Op('u'), "a", "model.b", "list.1");

        void Check(Pickle pickle, params string[] names)
        {
            using WeightFile file = Open(folder, pickle, Six);
            Assert.Equal(names, file.Names());
        }
    }

    [Fact]
    public void Equal_views_of_one_storage_are_tied_and_others_are_not()
    {
        using var folder = new TempFolder();
        Pickle pickle = Dict();
        pickle.Text("z").Tensor("FloatStorage", "0", 6, 0, [2, 3], [3, 1]);
        pickle.Text("part").Tensor("FloatStorage", "0", 6, 0, [3], [1]);
        pickle.Text("flat").Tensor("FloatStorage", "0", 6, 0, [6], [1]);
        pickle.Text("b").Tensor("FloatStorage", "0", 6, 0, [2, 3], [3, 1]);
        pickle.Text("turned").Tensor("FloatStorage", "0", 6, 0, [3, 2], [1, 3]);
        pickle.Text("twin").Tensor("FloatStorage", "1", 6, 0, [2, 3], [3, 1]);
        using WeightFile file = Open(folder, pickle.Op('u'), Six, Six);
        Assert.Equal(("z", "b"), Assert.Single(file.Entries.Where(e => e.TiedTo is not null).Select(e => (e.Name, e.TiedTo!.Name))));
        file.SaveAsSafetensors(folder["y"]);
        using WeightFile copy = WeightFile.Open(folder["y"]);
        Assert.Equal(["b", "flat", "part", "turned", "twin"], copy.Names());
        Assert.Equal([1, 4, 2, 5, 3, 6], copy.Values("turned"));
        Assert.Equal("b", copy.Metadata["z"]);
    }

    [Fact]
    public void A_checkpoint_that_is_not_one_is_refused_with_its_fault()
    {
        using var folder = new TempFolder();
        byte[] small = Pickle.Small();
        byte[] whole = Pickle.Checkpoint(small, Six);
        Assert.Contains("truncated", folder.Refusal(whole.AsSpan(0, whole.Length - 30)));
        Assert.Contains("no data.pkl", folder.Refusal(StoredZip.Make([("word/document.xml", Six)])));
        Assert.Contains("more than one", folder.Refusal(StoredZip.Make([.. SmallEntries, ("b/data.pkl", small)])));
        Assert.Contains("appears twice", folder.Refusal(StoredZip.Make([.. SmallEntries, ("a/data/0", Six)])));
        Assert.Contains("lacks the storage '0'", folder.Refusal(StoredZip.Make([("a/data.pkl", small), ("b/data/0", Six)])));
        Assert.Contains("should have 24", folder.Refusal(StoredZip.Make([("a/data.pkl", small), ("a/data/0", Six[..20])])));
        Assert.Contains("is compressed", folder.Refusal(StoredZip.Make(SmallEntries, method: 8)));
        Assert.Contains("is encrypted", folder.Refusal(StoredZip.Make(SmallEntries, flags: 1)));
        Assert.Contains("little-endian", folder.Refusal(StoredZip.Make([.. SmallEntries, ("a/byteorder", "big"u8.ToArray())])));
        Assert.Contains("no state dict", folder.Refusal(Pickle.Checkpoint(new Pickle().Proto().Op('}').Stop())));
        Assert.Contains(
            "no state dict",
            folder.Refusal(
                Pickle.Checkpoint(new Pickle().Proto().Op(']').Tensor("FloatStorage", "0", 6, 0, [6], [1]).Op('a').Stop(), Six)));
        Assert.Contains("two tensors called 'a'", folder.Refusal(Pickle.Checkpoint(
            Dict().Text("a").Tensor("FloatStorage", "0", 6, 0, [6], [1]).Text("a").Tensor("FloatStorage", "0", 6, 0, [3], [1])
            .Op('u').Stop(), Six)));
        Assert.Contains(
            "__metadata__",
            folder.Refusal(Pickle.Checkpoint(Dict().Text("__metadata__").Tensor("FloatStorage", "0", 6, 0, [6], [1]).Op('u').Stop(), Six)));
        Assert.Contains("not as one of PyTorch's", folder.Refusal(Pickle.Small()));
    }

    [Fact]
    public void A_pickle_that_breaks_the_rules_of_its_stack_is_refused()
    {
        using var folder = new TempFolder();
        (Pickle Pickle, string Fault)[] cases =
        [
            (new Pickle().Proto(), "where there is none"),
            (new Pickle().Proto().Op('t'), "never opened"),
            (new Pickle().Proto().Op('}').Op('(').Op('0'), "where there is none"),
            (new Pickle().Proto().Op('}').Op('(').Op('q').Raw(0), "where there is none"),
            (new Pickle().Proto().Op('}').Op('(').Text("key").Op('u'), "without a value"),
            (new Pickle().Proto().Op(']').Op('(').Text("key").Op('N').Op('u'), "not a dict"),
            (new Pickle().Proto().Op('}').Op('N').Op('a'), "not a list"),
            (new Pickle().Proto().Op('h').Raw(9), "never stored"),
            (new Pickle().Proto().Op('j').U32(uint.MaxValue), "never stored"),
            (new Pickle().Proto().Op('X').U32(uint.MaxValue), "truncated"),
            (new Pickle().Proto().Op('B').U32(0x7fffffff), "truncated"),
            (new Pickle().Proto().Raw(0x8d, 255, 255, 255, 255, 255, 255, 255, 255), "truncated"),
            (new Pickle().Proto(4).Raw(0x95, 255, 255, 255, 255, 255, 255, 255, 127), "truncated"),
            (new Pickle().Proto().Op('X').U32(1).Raw(0xff), "not UTF-8"),
            (new Pickle().Proto(6), "protocol 6"),
            (new Pickle().Proto().Op('c').Raw("os"u8), "truncated"),
            (new Pickle().Proto().Op('N').Op('N').Raw(0x93), "not text"),
            (new Pickle().Proto().Op('}').Op(')').Op('R'), "arguments no state dict has"),
            (new Pickle().Proto().Global("collections", "OrderedDict").Op('N').Op('R'), "without a tuple"),
            (new Pickle().Proto().Global("collections", "OrderedDict").Op('N').Raw(0x85).Op('R'), "arguments no state dict has"),
            (new Pickle().Proto().Op('}').Op('}').Op('b'), "attributes"),
            (new Pickle().Proto().Op('N').Op('Q'), "names no storage"),
            (new Pickle().Proto().Op('(').Text("module").Global("torch", "FloatStorage").Text("0").Text("cpu").Long(1).Op('t').Op('Q'),
                "names no storage"),
            (new Pickle().Proto().Op('S').Raw("'x'\n"u8), "opcode 0x53"),
            (new Pickle().Proto().Op('i').Raw("os\nsystem\n"u8), "opcode 0x69"),
            (new Pickle().Proto().Op('P').Raw("0\n"u8), "opcode 0x50"),
            (new Pickle().Proto().Raw(0x82, 1), "opcode 0x82"),
        ];
        foreach ((Pickle pickle, string fault) in cases) Assert.Contains(fault, folder.Refusal(Pickle.Checkpoint(pickle.Stop(), Six)));
    }
}
